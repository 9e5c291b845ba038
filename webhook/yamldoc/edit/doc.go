// Package edit applies JSON Patches to the text of a YAML or JSON document. It preserves
// comments, order, style and every line that the patch does not affect.
//
// The package compares the parsed text with the patched value, and edits the text wherever the
// two differ: it inserts a line or replaces a value. If an edit would change an anchor that is
// used elsewhere, the alias or merge key is expanded, so that only the intended place changes.
//
// The result is always parsed again and compared with the patched value: the text may be
// formatted unusually, but it is correct or not returned at all. If the lines cannot be edited,
// as those of explicit keys ("? key"), the document stays unchanged and the error is
// ErrUnwritable.
//
// The package is our own because no library edits YAML this way: go.yaml.in/yaml/v3 and kyaml
// encode whole documents, which loses blank lines, indentation and quotes, and a reviewer sees a
// diff of the whole file for one changed field. The patches themselves are applied by
// evanphx/json-patch.
package edit
