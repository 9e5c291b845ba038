// Package credentials finds credentials in the values, command lines and files of Kubernetes objects,
// recognizing them by their shape, by their name, or by the program that takes them.
//
// Every detector is a row of a table. A match never contains any part of a value, so nothing derived from it
// can leak one. The work is linear in the length of the text; the number of candidates that are examined
// closely is limited.
package credentials

// Match describes a credential that was found.
type Match struct {
	// Detector is the table row that found it.
	Detector string
	// Name is the name of the value, in lower case. It is empty if there is none, or if it may be part of
	// another value.
	Name string
	// What describes the credential, in words that follow "holds".
	What string
	// Likely marks a match that is not certain. Such a match warns and never denies.
	Likely bool
	// Named reports whether the name of the whole value identifies it, rather than something in the value.
	Named bool
	// Line is the line in the text, starting at 1.
	Line int
}

func described(name string) string {
	if name == "" {
		return "a credential"
	}
	return `the credential "` + name + `"`
}
