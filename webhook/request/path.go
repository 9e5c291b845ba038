package request

// at walks down names; nil where the way ends early.
func at(object map[string]any, path ...string) any {
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

func mapAt(object map[string]any, path ...string) map[string]any {
	m, _ := at(object, path...).(map[string]any)
	return m
}

func stringAt(object map[string]any, path ...string) string {
	s, _ := at(object, path...).(string)
	return s
}

// setDefault sets name where the object has nothing there; null counts as nothing,
// as it does for the API server.
func setDefault(object map[string]any, name string, value any) {
	if object != nil && object[name] == nil {
		object[name] = value
	}
}

// ensureMap returns the object at name, made if nothing is there; nil where something
// else is.
func ensureMap(object map[string]any, name string) map[string]any {
	if object == nil {
		return nil
	}
	setDefault(object, name, map[string]any{})
	m, _ := object[name].(map[string]any)
	return m
}
