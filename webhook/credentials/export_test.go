package credentials

// Needles are what every value known by its shape has one of.
func Needles() (all []string) {
	for i := range shapes {
		all = append(all, shapes[i].needles...)
	}
	return all
}
