package edit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"go.yaml.in/yaml/v3"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/yamldoc"
	"taffrail.dev/webhook/yamldoc/edit"
)

// FuzzFix applies random patches to the documents that the fuzzer finds, and compares the results with another
// library's.
func FuzzFix(f *testing.F) {
	for i, text := range seeds {
		for n := range 8 {
			f.Add([]byte(text), uint64(i), uint64(n))
			f.Add([]byte(strings.ReplaceAll(text, "\n", "\r\n")), uint64(n), uint64(i))
			f.Add([]byte(strings.TrimSuffix(text, "\n")), uint64(n), uint64(n))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, seed, other uint64) {
		parsed, err := yamldoc.Parse(yamldoc.Chunk{Line: 1, Data: text})
		if err != nil || parsed.Value == nil {
			return
		}
		d, err := edit.New(text)
		if err != nil {
			t.Fatal(err)
		}
		g := generator{rand.New(rand.NewPCG(seed, other))}
		patch := g.patch(parsed.Value)
		if len(patch) == 0 || slices.ContainsFunc(patch, hasEmptyName) {
			return
		}
		before, err := json.Marshal(parsed.Value)
		if err != nil {
			t.Fatal(err)
		}
		want, ok := reference(t, before, patch)
		if err := d.Patch("", patch); (err == nil) != ok {
			t.Fatalf("%v: %v, the reference says %v", patch, err, ok)
		}
		if !ok {
			return
		}
		got, err := d.Text()
		if err != nil {
			if !errors.Is(err, edit.ErrUnwritable) {
				t.Fatal(err)
			}
			return
		}
		again, err := yamldoc.Parse(yamldoc.Chunk{Line: 1, Data: got})
		if err != nil {
			t.Fatalf("%v\n%s", err, got)
		}
		after, err := json.Marshal(again.Value)
		if err != nil {
			t.Fatal(err)
		}
		if !isSame(t, after, want) {
			t.Errorf("%s\nbecame, by %v,\n%s\nwhich means\n%s\nand not\n%s", text, patch, got, after, want)
		}
		if onlyAdds(patch) {
			checkComments(t, text, got)
		}
	})
}

func isSame(t *testing.T, a, b []byte) bool {
	t.Helper()
	var one, other any
	if err := errors.Join(json.Unmarshal(a, &one), json.Unmarshal(b, &other)); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(one, other)
}

// checkComments checks that adding members and elements preserves all comments.
func checkComments(t *testing.T, before, after []byte) {
	t.Helper()
	have, kept := commentsOf(before), commentsOf(after)
	for comment, count := range have {
		if kept[comment] < count {
			t.Errorf("the comment %q is gone:\n%s\n---\n%s", comment, before, after)
		}
	}
}

func commentsOf(text []byte) map[string]int {
	lines := map[string]int{}
	var node yaml.Node
	if yaml.Unmarshal(bytes.TrimPrefix(text, []byte("\ufeff")), &node) != nil {
		return nil
	}
	var walk func(*yaml.Node)
	walk = func(node *yaml.Node) {
		for _, comment := range []string{node.HeadComment, node.LineComment, node.FootComment} {
			for line := range strings.Lines(comment) {
				if line = strings.TrimSpace(line); line != "" {
					lines[line]++
				}
			}
		}
		for _, child := range node.Content {
			walk(child)
		}
	}
	walk(&node)
	return lines
}

func onlyAdds(patch []decision.PatchOperation) bool {
	return !slices.ContainsFunc(patch, func(o decision.PatchOperation) bool { return o.Op != "add" || !strings.Contains(o.Path, "new") })
}

// hasEmptyName reports whether a path has an empty name, which RFC 6901 allows but the reference library does
// not find.
func hasEmptyName(o decision.PatchOperation) bool {
	return strings.Contains(o.Path+"/", "//")
}

func reference(t *testing.T, object []byte, patch []decision.PatchOperation) ([]byte, bool) {
	t.Helper()
	operations := []map[string]any{}
	for _, o := range patch {
		operation := map[string]any{"op": o.Op, "path": o.Path}
		if o.Op != "remove" {
			operation["value"] = o.Value
		}
		operations = append(operations, operation)
	}
	text, err := json.Marshal(operations)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := jsonpatch.DecodePatch(text)
	if err != nil {
		t.Fatal(err)
	}
	options := jsonpatch.NewApplyOptions()
	options.SupportNegativeIndices = false
	result, err := decoded.ApplyWithOptions(object, options)
	return result, err == nil
}

// generator generates patches whose operations apply to a value.
type generator struct{ *rand.Rand }

func (g generator) patch(value any) []decision.PatchOperation {
	var patch []decision.PatchOperation
	adds := g.IntN(2) == 0
	for range 1 + g.IntN(3) {
		path, target := g.place(value)
		escaped := ""
		for _, segment := range path {
			escaped += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(segment)
		}
		operation := decision.PatchOperation{Op: "replace", Path: escaped, Value: g.value(0)}
		switch target := target.(type) {
		case map[string]any:
			if adds || g.IntN(2) == 0 {
				operation.Op = "add"
				operation.Path += fmt.Sprintf("/new%d", len(patch))
			}
		case []any:
			if adds || g.IntN(2) == 0 {
				operation.Op = "add"
				operation.Path += "/" + []string{"-", "0", strconv.Itoa(len(target))}[g.IntN(3)]
			}
		}
		if operation.Op == "replace" {
			if len(path) == 0 {
				continue
			}
			if g.IntN(2) == 0 {
				operation = decision.PatchOperation{Op: "remove", Path: escaped}
			}
		}
		patch = append(patch, operation)
		// Later operations refer to the original document, and only such an addition does not move anything.
		if operation.Op != "add" || !strings.Contains(operation.Path, "/new") {
			break
		}
	}
	return patch
}

// place returns a random path in a value.
func (g generator) place(value any) ([]string, any) {
	var path []string
	for g.IntN(5) > 0 {
		switch parent := value.(type) {
		case map[string]any:
			if len(parent) == 0 {
				return path, value
			}
			names := make([]string, 0, len(parent))
			for name := range parent {
				names = append(names, name)
			}
			slices.Sort(names)
			name := names[g.IntN(len(names))]
			path, value = append(path, name), parent[name]
		case []any:
			if len(parent) == 0 {
				return path, value
			}
			i := g.IntN(len(parent))
			path, value = append(path, strconv.Itoa(i)), parent[i]
		default:
			return path, value
		}
	}
	return path, value
}

func (g generator) value(depth int) any {
	scalars := []any{"text", "", "yes", "0644", "a: b", "# c", "- x", "1e3", "two\nlines\n", " x\n", "é", "2026-01-01", "\t", "=", "<<", true, nil, 5.0, -1.5, 1e21}
	switch choice := g.IntN(4); {
	case choice == 0 && depth < 3:
		object := map[string]any{}
		for range g.IntN(4) {
			object[[]string{"name", "a", "yes", "x/y", "1", "z: z"}[g.IntN(6)]] = g.value(depth + 1)
		}
		return object
	case choice == 1 && depth < 3:
		list := []any{}
		for range g.IntN(3) {
			list = append(list, g.value(depth+1))
		}
		return list
	}
	return scalars[g.IntN(len(scalars))]
}
