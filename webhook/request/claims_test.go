package request_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

func TestClaims(t *testing.T) {
	gp3, none := "gp3", ""
	for name, test := range map[string]struct {
		manifest string
		want     []decision.Claim
	}{
		"an object of its own": {
			"{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: {accessModes: [ReadWriteOnce, 7], storageClassName: '', resources: {requests: {storage: 1Gi}}}}",
			[]decision.Claim{{
				Source: decision.ClaimObject, Name: "data", Known: true, AccessModes: []string{"ReadWriteOnce"}, StorageClass: &none,
				Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			}},
		},
		"templates and volumes": {
			`{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {
				volumeClaimTemplates: [{metadata: {name: data}, spec: {storageClassName: gp3}}, null],
				template: {spec: {volumes: [
					{name: config, configMap: {name: c}},
					{name: shared, persistentVolumeClaim: {claimName: share}},
					{name: scratch, ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOncePod]}}}}]}}}}`,
			[]decision.Claim{
				{Source: decision.ClaimTemplate, Name: "data", Path: "spec.volumeClaimTemplates[0]", Known: true, StorageClass: &gp3},
				{Source: decision.ClaimTemplate, Path: "spec.volumeClaimTemplates[1]", Known: true},
				{Source: decision.ClaimVolume, Name: "share", Path: "spec.template.spec.volumes[1]"},
				{
					Source: decision.ClaimEphemeral, Name: "scratch", Path: "spec.template.spec.volumes[2].ephemeral.volumeClaimTemplate",
					Known: true, AccessModes: []string{"ReadWriteOncePod"},
				},
			},
		},
		"none": {"{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {volumes: [{name: tmp, emptyDir: {}}]}}", nil},
	} {
		r, err := request.Manifest(parse(t, test.manifest), "shop")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, r.Claims); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestAClaimsSizeMustBeAQuantity(t *testing.T) {
	text := "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: {resources: {requests: {storage: lots}}}}"
	_, err := request.Manifest(parse(t, text), "shop")
	var bad *request.FieldError
	if !errors.As(err, &bad) || bad.Path != "spec.resources.requests.storage" {
		t.Errorf("got %v", err)
	}
}
