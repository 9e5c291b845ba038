package request

import "taffrail.dev/webhook/decision"

// at returns the value at a path of names, or nil if there is none.
func at(object map[string]any, path ...string) any { return decision.ValueAt(object, path...) }

func mapAt(object map[string]any, path ...string) map[string]any {
	return decision.MapAt(object, path...)
}

func stringAt(object map[string]any, path ...string) string {
	return decision.StringAt(object, path...)
}

// setDefault sets name if it is missing or null, which the API server treats as missing.
func setDefault(object map[string]any, name string, value any) {
	if object != nil && object[name] == nil {
		object[name] = value
	}
}

// ensureMap returns the object at name, and creates it if it is missing. It returns nil if the
// value is not an object.
func ensureMap(object map[string]any, name string) map[string]any {
	if object == nil {
		return nil
	}
	setDefault(object, name, map[string]any{})
	m, _ := object[name].(map[string]any)
	return m
}
