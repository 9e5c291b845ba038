package decision

// ValueAt returns the value at a path of names in an object, or nil.
func ValueAt(object map[string]any, path ...string) any {
	var value any = object
	for _, name := range path {
		m, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = m[name]
	}
	return value
}

// MapAt is ValueAt for an object. It returns nil for anything else.
func MapAt(object map[string]any, path ...string) map[string]any {
	m, _ := ValueAt(object, path...).(map[string]any)
	return m
}

// StringAt is ValueAt for a string. It returns "" for anything else.
func StringAt(object map[string]any, path ...string) string {
	s, _ := ValueAt(object, path...).(string)
	return s
}

// Deleting reports whether an object is being deleted. It exists until its finalizers are removed.
func Deleting(object map[string]any) bool {
	return MapAt(object, "metadata")["deletionTimestamp"] != nil
}
