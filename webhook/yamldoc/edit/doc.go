// Package edit applies JSON Patches to the text of a YAML or JSON document and
// changes nothing else of it: no comment, no order, no style, no line that the patch
// does not touch.
//
// The parsed text is compared with what it shall come to mean, and where the two differ
// the text is edited at the place of the node: a line is inserted, a value replaced. An
// alias or a merge key whose anchor comes to mean something else than its user needs is
// written out, so that an edit reaches the one place that it was meant for.
//
// Nothing is returned that was not parsed again and found to mean the patched object. If
// the lines cannot be edited, as those of explicit keys ("? key"), the document stays as it
// is and the error is ErrUnwritable.
//
// The package is ours because no library edits YAML this way: go.yaml.in/yaml/v3 and
// kyaml write a document anew from its nodes, which costs it blank lines, indentation and
// quotes, and a reviewer sees a diff of the whole file for one changed field. The patches
// themselves are applied by evanphx/json-patch.
package edit
