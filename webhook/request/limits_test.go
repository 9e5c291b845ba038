package request_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

func TestLimitsAreToldInWords(t *testing.T) {
	for want, e := range map[string]request.LimitError{
		"the request is larger than 7 bytes":                {What: "size", Limit: 7},
		"the Pod has more than 7 containers":                {What: "containers", Limit: 7},
		"the exponent of a quantity has more than 7 digits": {What: "exponent", Limit: 7},
		"the object nests deeper than 7 levels":             {What: "depth", Limit: 7},
	} {
		if got := e.Error(); got != want {
			t.Errorf("got %s", got)
		}
	}
	if got := (&request.FieldError{Path: "spec.x", Reason: "must be a list"}).Error(); got != "spec.x: must be a list" {
		t.Errorf("got %s", got)
	}
}

// Messages quote only the beginning of a name that a user chose.
func TestNamesThatComeTwiceAreCut(t *testing.T) {
	for n, want := range map[int]string{40: strings.Repeat("é", 40), 41: strings.Repeat("é", 40) + "…"} {
		name := strings.Repeat("é", n)
		r, err := request.Review(body(`"object":{"metadata":{"`+name+`":1,"`+name+`":2}}`), decision.OriginValidating)
		if err != nil || r.Ambiguous != `the name "`+want+`" occurs twice in one object` {
			t.Errorf("%d: got %s, %v", n, r.Ambiguous, err)
		}
	}
}

// JobSpec returns the spec with its defaults, and leaves its argument unchanged.
func TestTheSpecOfAJob(t *testing.T) {
	given := map[string]any{"parallelism": int64(2), "template": map[string]any{"spec": map[string]any{}}}
	want := map[string]any{
		"parallelism": int64(2), "backoffLimit": int64(6), "suspend": false, "completionMode": "NonIndexed", "podReplacementPolicy": "TerminatingOrFailed", "manualSelector": false,
		"template": map[string]any{"spec": map[string]any{"restartPolicy": "Always", "terminationGracePeriodSeconds": int64(30)}},
	}
	if diff := cmp.Diff(want, request.JobSpec(given)); diff != "" {
		t.Error(diff)
	}
	if len(given) != 2 || len(given["template"].(map[string]any)["spec"].(map[string]any)) != 0 {
		t.Errorf("the spec is %v now", given)
	}
	if got := request.JobSpec(nil); got == nil || len(got) != 0 {
		t.Errorf("of none: got %v", got)
	}
}

// As changes the kind around a template and keeps nothing else of the object.
func TestATemplateAsThatOfAnotherKind(t *testing.T) {
	r, err := request.Manifest(parse(t, `{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web, labels: {a: b}}, spec: {replicas: 7, minReadySeconds: 3, template: {spec: {containers: [{name: a, image: "a:1"}]}}}}`), "shop")
	if err != nil {
		t.Fatal(err)
	}
	r.Ambiguous, r.OldObject, r.Operation = "twice", r.Object, decision.Update
	for _, c := range []struct {
		kind     string
		replicas any
	}{{"Deployment", int64(2)}, {"StatefulSet", int64(2)}, {"DaemonSet", nil}} {
		as, err := request.As(r, appsv1.SchemeGroupVersion.WithKind(c.kind))
		if err != nil {
			t.Fatal(err)
		}
		spec := as.Object["spec"].(map[string]any)
		if as.Kind.Kind != c.kind || as.Operation != decision.Create || as.OldObject != nil || as.Ambiguous != "" || as.Name != "web" || spec["replicas"] != c.replicas || spec["minReadySeconds"] != nil {
			t.Errorf("%s: got %+v", c.kind, as)
		}
		if as.Workload == nil || len(as.Workload.Containers) != 1 || as.Workload.Containers[0].Name != "a" || as.Object["metadata"].(map[string]any)["labels"].(map[string]any)["a"] != "b" || as.Object["kind"] != c.kind {
			t.Errorf("%s: got %+v", c.kind, as.Object)
		}
	}
	if r.Kind.Kind != "ReplicaSet" || r.Object["spec"].(map[string]any)["replicas"] != int64(7) {
		t.Errorf("the request is %+v now", r)
	}
}

// Sizes of claims that the API server rejects are reported with their field.
func TestClaimsOfNoSize(t *testing.T) {
	const odd = `spec: {resources: {requests: {storage: much}}}`
	for path, manifest := range map[string]string{
		"spec.resources.requests[storage]":                                               `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c}, ` + odd + `}`,
		"spec.volumeClaimTemplates[1].spec.resources.requests[storage]":                  `{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: s}, spec: {volumeClaimTemplates: [{metadata: {name: a}}, {metadata: {name: b}, ` + odd + `}]}}`,
		"spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources.requests[storage]": `{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {volumes: [{name: v, ephemeral: {volumeClaimTemplate: {` + odd + `}}}]}}`,
	} {
		_, err := request.Manifest(parse(t, manifest), "shop")
		if bad := new(request.FieldError); !errors.As(err, &bad) || !strings.HasPrefix(bad.Path, strings.TrimSuffix(path, "[storage]")) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}
