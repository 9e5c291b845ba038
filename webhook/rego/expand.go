package rego

import (
	"strconv"
	"strings"
)

const (
	// maxExpanded limits how much the texts of one container may grow when whole values are inserted. The
	// kubelet has no such limit.
	maxExpanded = 64 << 10
	// shortened is the number of bytes inserted per value beyond maxExpanded: enough to recognize a credential,
	// and small enough for any number of references.
	shortened = 64
)

// expander expands $(VAR) as the kubelet does, using only values that the container itself defines.
type expander struct {
	values map[string]string
	left   int
}

// expandedInput returns, by list and index, the texts of a container that change when references are resolved,
// or nil if there are none.
//
// As in the kubelet, an env entry may refer only to earlier ones and not to envFrom, while command and args may
// refer to all. References to values defined elsewhere are kept.
func expandedInput(spec map[string]any) map[string]any {
	if !hasReference(spec) {
		return nil
	}
	e := &expander{values: map[string]string{}, left: maxExpanded}
	all := map[string]any{}
	put := func(list string, index int, before, after string) {
		if before == after {
			return
		}
		texts, ok := all[list].(map[string]any)
		if !ok {
			texts = map[string]any{}
			all[list] = texts
		}
		texts[strconv.Itoa(index)] = after
	}
	env, _ := spec["env"].([]any)
	for i, element := range env {
		entry, _ := element.(map[string]any)
		name, _ := entry["name"].(string)
		value, isText := entry["value"].(string)
		if !isText || value == "" && entry["valueFrom"] != nil {
			delete(e.values, name)
			continue
		}
		after := e.expand(value)
		put("env", i, value, after)
		e.values[name] = after
	}
	for _, list := range []string{"command", "args"} {
		words, _ := spec[list].([]any)
		for i, element := range words {
			if word, ok := element.(string); ok {
				put(list, i, word, e.expand(word))
			}
		}
	}
	return all
}

func hasReference(spec map[string]any) bool {
	for _, list := range []string{"env", "command", "args"} {
		elements, _ := spec[list].([]any)
		for _, element := range elements {
			text, ok := element.(string)
			if entry, isEntry := element.(map[string]any); isEntry {
				text, ok = entry["value"].(string)
			}
			if ok && strings.Contains(text, "$(") {
				return true
			}
		}
	}
	return false
}

// expand replaces references whose value is known. $$ is an escaped $; any other $ is kept.
func (e *expander) expand(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '$' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		switch text[i] {
		case '$':
			b.WriteByte('$')
		case '(':
			end := strings.IndexByte(text[i:], ')')
			if end < 0 { // no closing parenthesis: no further reference either
				b.WriteString("$" + text[i:])
				return b.String()
			}
			name := text[i+1 : i+end]
			i += end
			value, known := e.values[name]
			if !known {
				b.WriteString("$(" + name + ")")
				continue
			}
			if len(value) > max(e.left, shortened) {
				value = strings.ToValidUTF8(value[:shortened], "")
			}
			e.left -= len(value)
			b.WriteString(value)
		default:
			b.WriteString(text[i-1 : i+1])
		}
	}
	return b.String()
}
