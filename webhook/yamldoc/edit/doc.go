// Package edit applies JSON Patches to the text of a YAML or JSON document and
// changes nothing else of it: no comment, no order, no style, no line that the patch
// does not touch.
//
// The parsed text is compared with what it shall come to mean, and where the two differ
// the text is edited at the place of the node: a line is inserted, a value replaced. An
// alias or a merge key whose anchor comes to mean something else than its user needs is
// written out, so that an edit reaches the one place that it was meant for. What an edit
// of the text cannot do is done to the nodes, and the document written anew from them.
//
// Nothing is returned that was not parsed again and found to mean the patched object:
// the text may be odd, but the result is right or there is none.
package edit
