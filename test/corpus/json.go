package corpus

// Within reports whether b is the JSON value a with additional fields, or with values in place of null. Lists
// must have the same length.
func Within(a, b any) bool {
	switch a := a.(type) {
	case nil:
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		for name := range a {
			ok = ok && Within(a[name], b[name])
		}
		return ok
	case []any:
		b, ok := b.([]any)
		ok = ok && len(a) == len(b)
		for i := range a {
			ok = ok && Within(a[i], b[i])
		}
		return ok
	}
	return a == b
}

// Levels returns the nesting depth of the maps and lists in a JSON value.
func Levels(value any) int {
	deepest := 0
	switch value := value.(type) {
	case map[string]any:
		for _, member := range value {
			deepest = max(deepest, Levels(member))
		}
	case []any:
		for _, element := range value {
			deepest = max(deepest, Levels(element))
		}
	default:
		return 0
	}
	return deepest + 1
}
