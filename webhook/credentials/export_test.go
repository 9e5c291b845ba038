package credentials

// Needles are what every value known by its shape has one of.
func Needles() []string { return allNeedles() }
