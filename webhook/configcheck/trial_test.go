package configcheck

import (
	"testing"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// The example of every kind with Pods has a container for policies to inspect; a trial on an empty object would
// prove nothing.
func TestExamplesHaveWhatTheirKindHas(t *testing.T) {
	for _, kind := range decision.PodKinds() {
		r, err := request.Manifest(exampleOf(kind), "default")
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		if r.Kind.GroupKind() != kind || r.Workload == nil || len(r.Workload.Containers) != 1 || r.Workload.Containers[0].Name != "main" || r.Namespace.Name != "example" {
			t.Errorf("%s: %+v", kind, r.Workload)
		}
	}
}
