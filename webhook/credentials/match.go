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
