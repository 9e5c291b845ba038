package yamldoc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"

	"taffrail.dev/webhook/decision"
)

const (
	// maxDepth protects the stack. It is far above the depth of any object.
	maxDepth = 1000
	// maxSize limits the size of a document with its aliases expanded, in bytes. It is far above
	// the size of an object, because a List may contain all objects of a cluster.
	maxSize = 64 << 20
)

// guard rejects documents that the second parser would misread or never finish reading. It
// returns the duplicate keys if they are allowed.
func guard(root *yamlv3.Node, allowDuplicates bool) ([]Error, *Error) {
	g := guardState{seen: map[*yamlv3.Node]extent{}, allowDuplicates: allowDuplicates}
	_, err := g.measure(root, "")
	return g.duplicates, err
}

// extent is the size and depth of a node with its aliases expanded.
type extent struct {
	size, depth int
	done        bool
}

type guardState struct {
	seen            map[*yamlv3.Node]extent
	allowDuplicates bool
	duplicates      []Error
}

func (g *guardState) measure(node *yamlv3.Node, path decision.FieldPath) (extent, *Error) {
	if known, found := g.seen[node]; found {
		if !known.done {
			return extent{}, &Error{Line: node.Line, Field: string(path), Reason: "an anchor contains itself"}
		}
		return known, nil
	}
	g.seen[node] = extent{}
	total := extent{size: len(node.Value) + 4, done: true}
	add := func(child *yamlv3.Node, path decision.FieldPath) *Error {
		inner, err := g.measure(child, path)
		if err != nil {
			return err
		}
		total.size += inner.size
		total.depth = max(total.depth, inner.depth+1)
		if total.size > maxSize {
			return &Error{Line: node.Line, Lenient: true, Reason: fmt.Sprintf("is larger than %d MiB with its aliases written out", maxSize>>20)}
		}
		if total.depth > maxDepth {
			return &Error{Line: node.Line, Lenient: true, Reason: fmt.Sprintf("is nested deeper than %d levels", maxDepth)}
		}
		return nil
	}
	var err *Error
	switch node.Kind {
	case yamlv3.ScalarNode:
		if isNotFinite(node) {
			err = &Error{Line: node.Line, Field: string(path), Reason: "JSON has neither infinite numbers nor NaN: quote it if it is a string"}
		}
	case yamlv3.AliasNode:
		err = add(node.Alias, path)
	case yamlv3.SequenceNode:
		for i, child := range node.Content {
			if err = add(child, path.Index(i)); err != nil {
				break
			}
		}
	case yamlv3.MappingNode:
		err = g.mapping(node, path, add)
	}
	g.seen[node] = total
	return total, err
}

func (g *guardState) mapping(node *yamlv3.Node, path decision.FieldPath, add func(*yamlv3.Node, decision.FieldPath) *Error) *Error {
	lines := make(map[string]int, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		name := Target(key)
		if name.Kind != yamlv3.ScalarNode || isNull(name) {
			return &Error{Line: key.Line, Field: string(path), Reason: "a key must be a string, a number or a boolean"}
		}
		// The merge key "<<" may occur more than once.
		if !IsMerge(name) {
			if first, found := lines[name.Value]; found {
				err := duplicateKey(key, path, first)
				if !g.allowDuplicates || beginsObject(key, path) {
					return err
				}
				g.duplicates = append(g.duplicates, *err)
			}
			lines[name.Value] = key.Line
		} else if !mergeable(value) {
			return &Error{Line: key.Line, Field: string(path.Child(name.Value)), Reason: "only a map can be merged here, not a list or a string"}
		}
		if err := add(key, path); err != nil {
			return err
		}
		if err := add(value, path.Child(name.Value)); err != nil {
			return err
		}
	}
	return nil
}

// duplicateKey returns the error for the second occurrence of a key in a map. If the key starts
// an object, the separator between two objects is probably missing.
func duplicateKey(key *yamlv3.Node, path decision.FieldPath, first int) *Error {
	before := "on the same line"
	if key.Line != first {
		before = count(key.Line-first, "line") + " above"
	}
	reason := "this key is in the same map twice, first " + before
	if beginsObject(key, path) {
		reason += `: if another object begins here, put "---" on a line of its own above it`
	}
	return &Error{Line: key.Line, Field: string(path.Child(key.Value)), Lenient: true, Reason: reason}
}

// isNotFinite reports whether a node is .inf or .nan, in any spelling.
func isNotFinite(node *yamlv3.Node) bool {
	if node.ShortTag() != "!!float" {
		return false
	}
	number := strings.TrimLeft(strings.ToLower(node.Value), "+-")
	return number == ".inf" || number == ".nan"
}

func beginsObject(key *yamlv3.Node, path decision.FieldPath) bool {
	return path == "" && (key.Value == "apiVersion" || key.Value == "kind")
}

// mergeable reports whether the value of a merge key (<<) is a map or a list of maps.
func mergeable(value *yamlv3.Node) bool {
	value = Target(value)
	if value.Kind == yamlv3.SequenceNode {
		return !slices.ContainsFunc(value.Content, func(n *yamlv3.Node) bool { return Target(n).Kind != yamlv3.MappingNode })
	}
	return value.Kind == yamlv3.MappingNode
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
