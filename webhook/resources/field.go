package resources

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Field is a request or a limit of a container.
type Field struct {
	// Requests is false for a limit.
	Requests bool
	Resource corev1.ResourceName
}

// ParseField parses the result of String for the resources that may be filled: CPU, memory and
// ephemeral storage. Hugepages and extended resources cannot be filled: their request and limit
// are equal, and a value determines which nodes are eligible.
func ParseField(s string) (Field, error) {
	f := Field{}
	rest, ok := strings.CutPrefix(s, "resources.")
	if !ok {
		return f, fmt.Errorf("%q is not a field that can be filled in: use resources.requests.… or resources.limits.…", s)
	}
	list, name, _ := strings.Cut(rest, ".")
	if list != "requests" && list != "limits" {
		return f, fmt.Errorf("%q is not a field that can be filled in: use resources.requests.… or resources.limits.…", s)
	}
	f = Field{Requests: list == "requests", Resource: corev1.ResourceName(name)}
	if !f.fillable() {
		return Field{}, fmt.Errorf("%q cannot be filled in: only cpu, memory and ephemeral-storage can", s)
	}
	return f, nil
}

func (f Field) fillable() bool {
	switch f.Resource {
	case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		return true
	default:
		return false
	}
}

// String returns the path relative to the container, as in resources.requests.cpu.
func (f Field) String() string {
	return "resources." + f.List() + "." + string(f.Resource)
}

// List returns the name of the list that contains the field: requests or limits.
func (f Field) List() string {
	if f.Requests {
		return "requests"
	}
	return "limits"
}

// in returns the list that contains the field.
func (f Field) in(r *corev1.ResourceRequirements) *corev1.ResourceList {
	if f.Requests {
		return &r.Requests
	}
	return &r.Limits
}

func (f Field) isSet(r *corev1.ResourceRequirements) bool {
	_, ok := (*f.in(r))[f.Resource]
	return ok
}
