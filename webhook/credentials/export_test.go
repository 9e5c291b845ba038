package credentials

// Needles returns the needles; every value that is recognized by its shape contains one of them.
func Needles() []string { return allNeedles() }
