package yamldoc

import "taffrail.dev/webhook/decision"

// LineOf returns the line of the file that contains the field at a path such as
// spec.policies[0].name, or its nearest existing parent.
func (d *Document) LineOf(path string) int {
	if d.root == nil {
		return d.Line
	}
	place, depth := Lookup(d.root, decision.FieldPath(path).Segments())
	switch {
	case depth == 0:
		return d.Line
	case place.Key != nil:
		return d.before + place.Key.Line
	}
	return d.before + place.Value.Line
}
