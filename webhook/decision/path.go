package decision

import "strings"

// Within tells whether a path is that of a field, or leads on from there: as
// spec.template.spec.containers[0] does from spec.template.
func Within(path, field string) bool {
	rest, ok := strings.CutPrefix(path, field)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
