package credentials

// Needles returns the needles; every value that is recognized by its shape contains one of them.
func Needles() (all []string) {
	for i := range shapes {
		all = append(all, shapes[i].needles...)
	}
	return all
}
