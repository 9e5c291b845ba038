package decision

import (
	"fmt"
	"runtime"
)

// PanicText returns what may be logged of the cause of a panic. Runtime errors contain only types
// and indices. The message of any other panic might quote an object, so it is reduced to its type.
func PanicText(cause any) string {
	if defect, ok := cause.(runtime.Error); ok {
		return defect.Error()
	}
	return fmt.Sprintf("%T", cause)
}
