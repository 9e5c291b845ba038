package credentials

import (
	"encoding/json"
	"slices"
	"strings"
)

// Annotation finds credentials in an annotation. Annotations often name a Secret or hold its checksum, so only
// unambiguous names count. An annotation that holds a whole object is searched member by member.
func Annotation(name, value string) []Match {
	own := lower(name[strings.LastIndexByte(name, '/')+1:])
	if annotated.MatchString(own) && !strings.Contains(lower(name), "checksum") {
		if m, ok := named(own, value); ok {
			return []Match{m}
		}
	}
	var object any
	if trimmed := strings.TrimSpace(value); trimmed != "" && (trimmed[0] == '{' || trimmed[0] == '[') && json.Unmarshal([]byte(trimmed), &object) == nil {
		o := &objects{}
		o.walk("", object)
		return o.found
	}
	return Text("", value)
}

var annotated = re(`(?:passw(?:or)?d|passphrase|token|api[_.-]?key|secret[_.-]?access[_.-]?key)$`)

// objects collects what was found in the members of an object, without duplicates of a name and description.
type objects struct{ found []Match }

func (o *objects) add(matches ...Match) {
	for _, m := range matches {
		if m.Named {
			m.Named, m.What = false, described(m.Name)
		}
		m.Line = 1
		same := func(before Match) bool { return before.Name == m.Name && before.What == m.What }
		if len(o.found) < maxFound && !slices.ContainsFunc(o.found, same) {
			o.found = append(o.found, m)
		}
	}
}

// walk searches a member and everything below it. JSON decoding limits its depth.
func (o *objects) walk(name string, value any) {
	switch value := value.(type) {
	case string:
		if IsFile(value) {
			o.add(Text(name, value)...)
		} else {
			o.add(Value(name, value)...)
		}
	case []any:
		words := make([]string, 0, len(value))
		for _, element := range value {
			if word, ok := element.(string); ok {
				words = append(words, word)
				continue
			}
			o.walk(name, element)
		}
		for _, word := range Words(words, nil) {
			o.add(word.Match)
		}
	case map[string]any:
		given, isName := value["name"].(string)
		text, isText := value["value"].(string)
		if isName && isText {
			o.add(Value(given, text)...)
		}
		for _, key := range sortedKeys(value) {
			if !isName || !isText || key != "name" && key != "value" {
				o.walk(key, value[key])
			}
		}
	}
}

func sortedKeys(object map[string]any) []string {
	keys := make([]string, 0, len(object))
	for key := range object {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
