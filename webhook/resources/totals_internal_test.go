package resources

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/webhook/decision"
)

// Defaults are computed before validation refuses a negative value: until then, sidecars alone may
// be the maximum.
func TestSidecarsAloneMayBeTheMaximum(t *testing.T) {
	limited := func(kind decision.ContainerType, cpu string) Container {
		return Container{Type: kind, Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}}}
	}
	_, limits := containerTotals([]Container{limited(decision.ContainerSidecar, "1"), limited(decision.ContainerApp, "-1")})
	if got := limits[corev1.ResourceCPU]; got.Cmp(resource.MustParse("1")) != 0 {
		t.Errorf("got %s", got.String())
	}
}
