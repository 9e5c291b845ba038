package strict

import (
	"reflect"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// Fault is what is wrong with one field. It never quotes a value, which may be a Secret's.
type Fault struct {
	// Path is the field, as in spec.containers[0].image or data[tls.crt].
	Path   string
	Reason string
	// Dropped is true for a field that the API server does not know, or for a value that
	// it only takes once something has replaced it. The others it refuses.
	Dropped bool
	// Placeholder is true if the value looks like one that another tool will replace, as
	// ${REPLICAS} does.
	Placeholder bool
}

// Checker checks objects, and remembers the types that it has seen. It is safe for
// concurrent use; the zero Checker is ready.
type Checker struct {
	// types are the fields of structs, as fieldsOf returns them.
	types sync.Map
}

// check is that of one object.
type check struct {
	*Checker
	// foreign is true for a kind that is not built in. It may be a tool's that no API server
	// reads, with metadata of its own.
	foreign bool
	faults  []Fault
}

// Check returns what the API server's decoder would not take of an object as it is. Of a
// kind that is not built in only the metadata can be known. Values must be those that
// decoding JSON gives, with integers as int64.
func (c *Checker) Check(object map[string]any, kind schema.GroupVersionKind) []Fault {
	in := &check{Checker: c}
	typed, err := scheme.Scheme.New(kind)
	if err != nil {
		in.foreign = true
		in.value(object["metadata"], reflect.TypeFor[metav1.ObjectMeta](), "metadata")
		return in.faults
	}
	in.value(object, reflect.TypeOf(typed).Elem(), "")
	if !in.refused() {
		in.require(object, kind.GroupKind())
	}
	return in.faults
}

func (c *check) refused() bool {
	for _, f := range c.faults {
		if !f.Dropped {
			return true
		}
	}
	return false
}

func (c *check) refuse(path, reason string) {
	c.faults = append(c.faults, Fault{Path: path, Reason: reason})
}
