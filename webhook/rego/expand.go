package rego

import (
	"strconv"
	"strings"
)

const (
	// maxExpanded is how much the texts of one container may grow by with whole values. The
	// kubelet has no limit.
	maxExpanded = 64 << 10
	// shortened is what is taken of each value after that: enough to tell a credential, and
	// little enough for any number of references.
	shortened = 64
)

// expander expands $(VAR) as the kubelet does, as far as the values stand in the container
// itself.
type expander struct {
	values map[string]string
	left   int
}

// expandedInput is, by list and index, every text of a container that has another value
// once its references are resolved. It is nil where there is none.
//
// An env entry sees those before it, and never what envFrom brings; command and args see
// all. A value that comes from elsewhere stays a reference.
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

// expand replaces references whose value is known. $$ is an escape for $; anything else
// after a $ stays.
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
			if end < 0 { // nor is there a reference further on
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
