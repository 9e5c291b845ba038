package corpus

// EachText visits every string in a JSON value, with its path without indices, and every
// key of a map of strings.
func EachText(value any, path string, visit func(path string, set func(string) (undo func()))) {
	switch value := value.(type) {
	case map[string]any:
		for key, member := range value {
			text, ok := member.(string)
			if !ok {
				EachText(member, path+"."+key, visit)
				continue
			}
			visit(path+"."+key, func(to string) func() {
				value[key] = to
				return func() { value[key] = text }
			})
			visit(path+".(a key)", func(to string) func() {
				delete(value, key)
				value[to] = text
				return func() {
					delete(value, to)
					value[key] = text
				}
			})
		}
	case []any:
		for i, element := range value {
			text, ok := element.(string)
			if !ok {
				EachText(element, path+"[]", visit)
				continue
			}
			visit(path+"[]", func(to string) func() {
				value[i] = to
				return func() { value[i] = text }
			})
		}
	}
}
