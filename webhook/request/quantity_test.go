package request_test

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"taffrail.dev/webhook/request"
)

func podWithLimit(cpu any) map[string]any {
	return map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "web"}, "spec": map[string]any{
		"containers": []any{map[string]any{"resources": map[string]any{"limits": map[string]any{"cpu": cpu}}}},
	}}
}

// If an invalid quantity counted as missing, an injection would fill it, or it would pass as no limit.
func TestGarbageIsNoQuantity(t *testing.T) {
	for _, cpu := range []any{
		"", " ", " 1", "1 ", "1\n", "1 Gi", "1ki", "1KI", "1mi", "1K", "1Mb", "1e", "1e1.5", "--1", "1-", "1.2.3", "1,5",
		"0x10", "1_000", "NaN", "Inf", "١", "１", "1½", "½", "𝟙", "1\u200b", "1\x00", true, false, []any{}, []any{"1"}, map[string]any{},
	} {
		_, err := request.Manifest(podWithLimit(cpu), "")
		var field *request.FieldError
		if !errors.As(err, &field) || field.Path != "spec.containers[0].resources.limits.cpu" {
			t.Errorf("%q: got %v", cpu, err)
		}
	}
}

// Kubernetes accepts such a quantity, and then needs minutes and gigabytes to compute with it.
func TestAnExponentThatIsNoAmountIsRefusedByName(t *testing.T) {
	overhead := map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "web"}, "spec": map[string]any{
		"overhead": map[string]any{"cpu": "1e-1000000000"},
	}}
	for _, object := range []map[string]any{
		podWithLimit("1e1000000000"), podWithLimit("1e-1000000000"), podWithLimit("1E+1000"), podWithLimit("0e4294967296"), overhead,
	} {
		_, err := request.Manifest(object, "")
		var limit *request.LimitError
		if !errors.As(err, &limit) || limit.What != "exponent" || limit.Request == nil || limit.Request.Name != "web" {
			t.Errorf("%v: got %v", object["spec"], err)
		}
	}
	for _, cpu := range []any{"1e999", "1e-999", "1E", "1Ei", "10000E", 1e300, "0.00001e5"} {
		r, err := request.Manifest(podWithLimit(cpu), "")
		if err != nil {
			t.Errorf("%v: %v", cpu, err)
			continue
		}
		if limit := r.Workload.Containers[0].Declared.Limits[corev1.ResourceCPU]; limit.Sign() != 1 {
			t.Errorf("%v: got %v", cpu, limit)
		}
	}
}
