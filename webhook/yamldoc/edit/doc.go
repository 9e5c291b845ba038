// Package edit applies JSON Patches to the text of a YAML or JSON document. It preserves
// comments, order, style and every line that the patch does not affect.
//
// The package compares the parsed text with the patched value, and edits the text wherever the
// two differ: it inserts a line or replaces a value. If an edit would change an anchor that is
// used elsewhere, the alias or merge key is expanded, so that only the intended place changes. A
// document that cannot be edited as text is edited as nodes and encoded again.
//
// The result is always parsed again and compared with the patched value: the text may be
// formatted unusually, but it is correct or not returned at all.
//
// This is not left to a library because yaml/v3 encodes whole documents, which loses blank lines
// and spacing.
package edit
