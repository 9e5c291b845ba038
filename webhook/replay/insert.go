package replay

import (
	"encoding/json"
	"slices"
	"strconv"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/replay/auditlog"
)

// insertAll applies a patch that only adds members to objects, without parsing the rest of the text. ok is false if the
// patch does something else.
func insertAll(text []byte, operations []decision.PatchOperation) (patched []byte, ok bool) {
	for i := range operations {
		if text, ok = insert(text, &operations[i]); !ok {
			return nil, false
		}
	}
	return text, true
}

// insert applies one operation.
func insert(text []byte, o *decision.PatchOperation) (patched []byte, ok bool) {
	segments := decision.Pointer(o.Path).Segments()
	if o.Op != "add" || len(segments) == 0 {
		return nil, false
	}
	parent := text
	for _, segment := range segments[:len(segments)-1] {
		if parent = part(parent, segment); parent == nil {
			return nil, false
		}
	}
	name := segments[len(segments)-1]
	if len(parent) == 0 || parent[0] != '{' || part(parent, name) != nil {
		return nil, false
	}
	member, err := json.Marshal(map[string]any{name: o.Value})
	if err != nil {
		return nil, false
	}
	member = member[1 : len(member)-1]
	empty := true
	_, err = auditlog.Members(parent, func(string, []byte) bool { empty = false; return false })
	if err != nil {
		return nil, false
	}
	if !empty {
		member = append(member, ',')
	}
	// A part of a text reaches to the end of its capacity.
	at := cap(text) - cap(parent) + 1
	return slices.Concat(text[:at], member, text[at:]), true
}

// part returns a member of the object, or an element of the list, that a text is. It is nil if there is none.
func part(text []byte, name string) (found []byte) {
	if len(text) > 0 && text[0] == '[' {
		index, err := strconv.Atoi(name)
		if err != nil {
			return nil
		}
		i := 0
		err = auditlog.Elements(text, func(value []byte) bool {
			if i == index {
				found = value
			}
			i++
			return found == nil
		})
		if err != nil {
			return nil
		}
		return found
	}
	_, err := auditlog.Members(text, func(member string, value []byte) bool {
		if member == name {
			found = value
		}
		return found == nil
	})
	if err != nil {
		return nil
	}
	return found
}
