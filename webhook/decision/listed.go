package decision

import (
	"fmt"
	"strings"
)

// Listed returns the first names of a list, and how many others there are.
func Listed(names []string) string {
	const most = 4
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most-1], ", "), len(names)-most+1)
}
