package manifest

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"taffrail.dev/webhook/config/document"
)

// Decode reads the objects of a multi-document YAML or JSON stream, in their order.
// Lists are taken apart as kubectl does it. Documents without content yield nothing;
// every other one yields an Item or, for a List, one for each of its items.
func Decode(data []byte, file string) []Item {
	var items []Item
	for _, chunk := range document.Split(data) {
		items = append(items, decodeChunk(chunk, file)...)
	}
	return items
}

func decodeChunk(chunk document.Chunk, file string) []Item {
	doc, err := document.Parse(chunk)
	if err != nil {
		line := chunk.Line
		if broken := new(document.Error); errors.As(err, &broken) {
			line = broken.Line
		}
		return []Item{{Source: Source{File: file, Line: line}, Err: err}}
	}
	if doc.Value == nil {
		return nil
	}
	r := &reader{file: file, doc: doc, text: &Document{Text: chunk.Data, Start: chunk.Start, before: chunk.Line - 1}}
	return r.add(nil, doc.Value, "", "", "")
}

type reader struct {
	file string
	doc  *document.Document
	text *Document
}

// add appends the object at path, or those of the List there. apiVersion and kind are
// those that an item of a typed List takes from it.
func (r *reader) add(items []Item, value any, path, apiVersion, kind string) []Item {
	source := Source{File: r.file, Line: r.doc.LineOf(path)}
	object, ok := value.(map[string]any)
	if !ok {
		return append(items, Item{Source: source, Err: errors.New("is not a Kubernetes object: an object is a map")})
	}
	if kind != "" && object["kind"] == nil {
		object["apiVersion"], object["kind"] = apiVersion, kind
	}
	if err := checkObject(object, r.file); err != nil {
		return append(items, Item{Source: source, Err: err})
	}
	// kubectl takes anything with a list of items for a List, whatever its kind.
	inside, found := object["items"]
	list, ok := inside.([]any)
	if !found || !ok && inside != nil {
		return append(items, Item{Source: source, Object: object, Document: r.text, Path: path})
	}
	apiVersion, _ = object["apiVersion"].(string)
	kind, _ = object["kind"].(string)
	for i, item := range list {
		inner := fmt.Sprintf("%s.items[%d]", path, i)
		items = r.add(items, item, inner, apiVersion, strings.TrimSuffix(kind, "List"))
	}
	return items
}

// checkObject tells what no API server would take for an object from what it might.
func checkObject(object map[string]any, file string) error {
	apiVersion, kind := object["apiVersion"], object["kind"]
	hint := hintFor(file, apiVersion)
	switch {
	case apiVersion == nil && kind == nil:
		return errors.New("is not a Kubernetes object: it has neither apiVersion nor kind" + hint)
	case apiVersion == nil:
		return errors.New("is not a Kubernetes object: it has no apiVersion" + hint)
	case kind == nil:
		return errors.New("is not a Kubernetes object: it has no kind" + hint)
	}
	if !isText(apiVersion) || !isText(kind) {
		return errors.New("is not a Kubernetes object: apiVersion and kind must be text" + hint)
	}
	if isKustomize(apiVersion) {
		return errors.New("is input for kustomize, not an object" + hint)
	}
	return nil
}

// hintFor names the tool that makes objects of what is none.
func hintFor(file string, apiVersion any) string {
	switch base := filepath.Base(file); {
	case isKustomize(apiVersion) || strings.TrimSuffix(strings.ToLower(base), filepath.Ext(base)) == "kustomization":
		return "; check what it builds: kustomize build DIR | taffrail check -"
	case base == "Chart.yaml" || strings.HasPrefix(base, "values"):
		return "; check what the chart renders: helm template DIR | taffrail check -"
	}
	return ""
}

func isText(value any) bool {
	text, ok := value.(string)
	return ok && text != ""
}

func isKustomize(apiVersion any) bool {
	text, _ := apiVersion.(string)
	return strings.HasPrefix(text, "kustomize.config.k8s.io/")
}
