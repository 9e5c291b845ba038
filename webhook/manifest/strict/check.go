package strict

import (
	"reflect"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// Fault is a problem with one field. It never quotes a value, which may be that of a Secret.
type Fault struct {
	// Path is the field, as in spec.containers[0].image or data[tls.crt].
	Path   string
	Reason string
	// Dropped is true for a field that the API server does not know, and for a value that is
	// acceptable only after a tool has replaced it. All other faults are refused by the API server.
	Dropped bool
	// Placeholder is true if the value looks as if a tool is going to replace it, for example
	// ${REPLICAS}.
	Placeholder bool
}

// Checker checks objects and caches the types it has seen. It is safe for concurrent use, and its
// zero value is ready to use.
type Checker struct {
	// types caches the results of fieldsOf.
	types sync.Map
}

// check is the state of checking one object.
type check struct {
	*Checker
	// foreign is true for a kind that is not built in. It may be the configuration of a tool, with
	// its own kind of metadata.
	foreign bool
	faults  []Fault
}

// Check returns what the API server's decoder would refuse or drop. For a kind that is not built
// in, only the metadata can be checked. Values must have the types that result from decoding
// JSON, with integers as int64.
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
