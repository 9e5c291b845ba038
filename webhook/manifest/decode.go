package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/manifest/strict"
	"taffrail.dev/webhook/yamldoc"
)

// Decode reads the objects of a multi-document YAML or JSON stream, in order. It expands Lists as
// kubectl does. Every document yields an Item or, for a List, one Item for each of its items; a
// document without content yields an Item that is Blank. Objects of built-in kinds are accepted
// only if the API server's decoder accepts them.
func Decode(data []byte, file string) []Item {
	var items []Item
	checker := &strict.Checker{}
	for _, chunk := range yamldoc.Split(data) {
		items = append(items, decodeChunk(chunk, file, checker)...)
	}
	return items
}

func decodeChunk(chunk yamldoc.Chunk, file string, checker *strict.Checker) []Item {
	doc, err := yamldoc.ParseManifest(chunk)
	if err != nil {
		return []Item{unparsed(err, chunk, file)}
	}
	var items []Item
	if doc.Value != nil {
		r := &reader{file: file, doc: doc, checker: checker}
		items = r.add(nil, doc.Value, "", "", "")
	}
	if len(items) > 0 {
		items[0].Warnings = append(duplicateKeys(doc), items[0].Warnings...)
	}
	if len(items) == 0 && len(bytes.TrimSpace(bytes.TrimPrefix(chunk.Data, []byte("\ufeff")))) > 0 {
		items = []Item{{Source: Source{File: file, Line: doc.Line}, Err: notObject(Blank, "contains no object")}}
	}
	return items
}

// duplicateKeys returns a warning for each duplicate key of a document.
func duplicateKeys(doc *yamldoc.Document) (faults []Fault) {
	for _, key := range doc.Duplicates {
		faults = append(faults, Fault{Line: key.Line, Path: key.Field, Reason: key.Reason + "; the last one counts"})
	}
	return faults
}

// unparsed returns the Item for text that the parser rejects. Text that kubectl may accept does
// not count as a template.
func unparsed(err error, chunk yamldoc.Chunk, file string) Item {
	line := chunk.Line
	lenient := false
	if broken := new(yamldoc.Error); errors.As(err, &broken) {
		line, lenient = broken.Line, broken.Lenient
	}
	switch {
	case lenient && mayClaim(chunk.Data):
	case !lenient && isTemplate(chunk.Data):
		err = notObject(Template, "%s", err)
	case !claimsByText(chunk.Data):
		err = notObject(categoryByName(file), "%s", err)
	}
	return Item{Source: Source{File: file, Line: line}, Err: err}
}

type reader struct {
	file    string
	doc     *yamldoc.Document
	checker *strict.Checker
}

// add appends the object at path or, if it is a List, its items. apiVersion and kind are the
// defaults for an item of a typed List.
func (r *reader) add(items []Item, value any, path, apiVersion, kind string) []Item {
	source := Source{File: r.file, Line: r.doc.LineOf(path)}
	object, ok := value.(map[string]any)
	if !ok {
		return append(items, Item{Source: source, Err: r.notMapError(path)})
	}
	if kind != "" && object["kind"] == nil {
		object["apiVersion"], object["kind"] = apiVersion, kind
	}
	if err := recognize(object, r.file); err != nil {
		return append(items, Item{Source: source, Err: err})
	}
	apiVersion, _ = object["apiVersion"].(string)
	kind, _ = object["kind"].(string)
	// For kubectl, every object with a list of items is a List, whatever its kind.
	inside, found := object["items"]
	list, ok := inside.([]any)
	if !found || !ok && inside != nil || isNoList(apiVersion, kind) {
		return append(items, r.object(Item{Source: source, Object: object, Document: r.doc, Path: path}))
	}
	for i, item := range list {
		inner := fmt.Sprintf("%s.items[%d]", path, i)
		items = r.add(items, item, inner, apiVersion, strings.TrimSuffix(kind, "List"))
	}
	return items
}

// isNoList reports whether a built-in kind is not a List, whatever fields the object has.
func isNoList(apiVersion, kind string) bool {
	return strict.Known(schema.FromAPIVersionAndKind(apiVersion, kind)) && !strings.HasSuffix(kind, "List")
}

// notMapError returns the error for a value at path that is not a map. An element of a List was
// meant to be an object; a whole document may be something else.
func (r *reader) notMapError(path string) error {
	const reason = "is not a Kubernetes object: an object is a map"
	if path == "" {
		return notObject(categoryByName(r.file), reason)
	}
	return errors.New(reason)
}

// object checks the item. An object that is refused is removed from it.
func (r *reader) object(item Item) Item {
	err := r.check(&item)
	if err == nil {
		return item
	}
	return Item{Source: item.Source, Warnings: item.Warnings, Err: err}
}
