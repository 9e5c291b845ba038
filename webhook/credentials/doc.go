// Package credentials finds credentials in the values, command lines and files of Kubernetes
// objects: by their shape, by the name they are given, or by the program they are given to.
//
// Every detector is a row of a table. A match never holds any part of a value, so that nothing
// built from it can leak one. The work is linear in the length of the text, with a limit on the
// candidates that are looked at closely.
package credentials

// Match is a credential that was found.
type Match struct {
	// Detector is the table row that found it.
	Detector string
	// Name is the name that the value is given, in lower case. It is empty if there is none, or if it
	// may be part of another value.
	Name string
	// What describes it, in words that follow "holds".
	What string
	// Likely is true for a match that is no proof: such a match warns and never denies.
	Likely bool
	// Named is true if the name of the whole value gives it away, and not something in it.
	Named bool
	// Line of the text, counted from 1.
	Line int
}

func described(name string) string {
	if name == "" {
		return "a credential"
	}
	return `the credential "` + name + `"`
}
