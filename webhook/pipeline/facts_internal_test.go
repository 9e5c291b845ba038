package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"taffrail.dev/webhook/decision"
)

func TestTheAutoscalerIsTheObjectsOwn(t *testing.T) {
	scaling := func(name, apiVersion, kind, target string, minimum *int32) *autoscalingv2.HorizontalPodAutoscaler {
		return &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: apiVersion, Kind: kind, Name: target}, MinReplicas: minimum, MaxReplicas: 9,
		}}
	}
	three := int32(3)
	others := []*autoscalingv2.HorizontalPodAutoscaler{
		scaling("another", "apps/v1", "Deployment", "db", &three), scaling("kind", "apps/v1", "StatefulSet", "web", &three), scaling("group", "example.com/v1", "Deployment", "web", &three),
	}
	for name, c := range map[string]struct {
		all  []*autoscalingv2.HorizontalPodAutoscaler
		want string
	}{
		"none":                 {nil, "<nil>"},
		"others'":              {others, "<nil>"},
		"its own":              {append(slices.Clone(others), scaling("web", "apps/v1", "Deployment", "web", &three)), "&{web 3 9}"},
		"by another version":   {[]*autoscalingv2.HorizontalPodAutoscaler{scaling("web", "apps/v1beta1", "Deployment", "web", &three)}, "&{web 3 9}"},
		"without a minimum":    {[]*autoscalingv2.HorizontalPodAutoscaler{scaling("web", "apps/v1", "Deployment", "web", nil)}, "&{web 1 9}"},
		"the first of several": {[]*autoscalingv2.HorizontalPodAutoscaler{scaling("a", "apps/v1", "Deployment", "web", nil), scaling("b", "apps/v1", "Deployment", "web", nil)}, "&{a 1 9}"},
	} {
		r := &decision.Request{Name: "web", Kind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, Facts: decision.Facts{Autoscalers: c.all}}
		if got := fmt.Sprint(autoscalerOf(r)); got != c.want {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

func claimOf(name, class, size string, modes ...corev1.PersistentVolumeAccessMode) *corev1.PersistentVolumeClaim {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if class != "-" {
		claim.Spec.StorageClassName = &class
	}
	claim.Spec.AccessModes = modes
	claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}
	return claim
}

// A claim that a volume names has the properties of the stored one. Its class defaults to the cluster's only if
// it is known to have none.
func TestClaimsAreWhatTheNamespaceHas(t *testing.T) {
	facts := decision.Facts{
		PersistentVolumeClaims: []*corev1.PersistentVolumeClaim{
			claimOf("data", "fast", "1Gi", corev1.ReadWriteOnce, corev1.ReadOnlyMany), claimOf("plain", "-", "2Gi", corev1.ReadWriteMany), claimOf("none", "", "3Gi"),
		},
		StorageClasses: []*storagev1.StorageClass{
			{ObjectMeta: metav1.ObjectMeta{Name: "fast"}, Provisioner: "fast.example.com"},
			{ObjectMeta: metav1.ObjectMeta{Name: "usual", Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}}, Provisioner: "usual.example.com"},
			{ObjectMeta: metav1.ObjectMeta{Name: "former", Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "false"}}, Provisioner: "former.example.com"},
		},
	}
	slow := "slow"
	for name, c := range map[string]struct {
		claim decision.Claim
		want  string
	}{
		"of a class":             {decision.Claim{Name: "data", Source: decision.ClaimVolume}, "true fast fast.example.com 1Gi ReadWriteOnce,ReadOnlyMany"},
		"of the default class":   {decision.Claim{Name: "plain", Source: decision.ClaimVolume}, "true usual usual.example.com 2Gi ReadWriteMany"},
		"of no class":            {decision.Claim{Name: "none", Source: decision.ClaimVolume}, "true   3Gi "},
		"that is not there":      {decision.Claim{Name: "gone", Source: decision.ClaimVolume}, "false -  0 "},
		"of a template":          {decision.Claim{Name: "data", Source: decision.ClaimTemplate, Known: true}, "true usual usual.example.com 0 "},
		"of a class of its own":  {decision.Claim{Name: "data", Source: decision.ClaimEphemeral, Known: true, StorageClass: &slow}, "true slow  0 "},
		"of which nobody knows":  {decision.Claim{Name: "data", Source: decision.ClaimTemplate}, "false -  0 "},
		"whose modes are others": {decision.Claim{Name: "plain", Source: decision.ClaimVolume, AccessModes: []string{"ReadWriteOnce"}}, "true usual usual.example.com 2Gi ReadWriteMany"},
	} {
		r := &decision.Request{Claims: []decision.Claim{c.claim}, Facts: facts}
		got := claimsWithFacts(r)[0]
		class := "-"
		if got.StorageClass != nil {
			class = *got.StorageClass
		}
		size := got.Requests[corev1.ResourceStorage]
		if text := fmt.Sprintf("%v %s %s %s %s", got.Known, class, got.Provisioner, size.String(), strings.Join(got.AccessModes, ",")); text != c.want {
			t.Errorf("%s: got %s", name, text)
		}
		if r.Claims[0].Provisioner != "" {
			t.Errorf("%s: the caller's claim was changed", name)
		}
	}
}

// Versions of facts differ exactly if an object of that kind does.
func TestEverySortOfFactsHasVersions(t *testing.T) {
	meta := metav1.ObjectMeta{UID: "u", ResourceVersion: "7"}
	with := map[decision.Fact]decision.Facts{
		decision.FactLimitRanges:    {LimitRanges: []*corev1.LimitRange{{ObjectMeta: meta}}},
		decision.FactResourceQuotas: {ResourceQuotas: []*corev1.ResourceQuota{{ObjectMeta: meta}}},
		decision.FactAutoscalers:    {Autoscalers: []*autoscalingv2.HorizontalPodAutoscaler{{ObjectMeta: meta}}},
		decision.FactClaims:         {PersistentVolumeClaims: []*corev1.PersistentVolumeClaim{{ObjectMeta: meta}}},
		decision.FactStorageClasses: {StorageClasses: []*storagev1.StorageClass{{ObjectMeta: meta}}},
	}
	if len(with) != len(decision.AllFacts()) {
		t.Errorf("there are %v", decision.AllFacts())
	}
	for _, fact := range decision.AllFacts() {
		for other, facts := range with {
			want := map[types.UID]string{}
			if other == fact {
				want["u"] = "7"
			}
			if got := versions(&facts, fact); !maps.Equal(got, want) {
				t.Errorf("%s of %s: got %v", fact, other, got)
			}
		}
	}
}

// Facts that cannot affect an object are not read for it.
func TestFactsMatterToTheirKinds(t *testing.T) {
	pod, template := &decision.Workload{}, &decision.Workload{Template: true}
	kind := func(name string) schema.GroupVersionKind { return schema.GroupVersionKind{Version: "v1", Kind: name} }
	claims := func(source decision.ClaimSource) []decision.Claim { return []decision.Claim{{Source: source}} }
	const limits, quotas, scalers, volumes, classes = decision.FactLimitRanges, decision.FactResourceQuotas, decision.FactAutoscalers, decision.FactClaims, decision.FactStorageClasses
	for name, c := range map[string]struct {
		r    decision.Request
		want []decision.Fact
	}{
		"a Pod":            {decision.Request{Kind: kind("Pod"), Workload: pod}, []decision.Fact{limits, quotas}},
		"a template":       {decision.Request{Kind: kind("Deployment"), Workload: template}, []decision.Fact{limits, quotas, scalers}},
		"a Namespace":      {decision.Request{Kind: kind("Namespace")}, []decision.Fact{limits, quotas}},
		"something else":   {decision.Request{Kind: kind("Service")}, nil},
		"a claim":          {decision.Request{Kind: kind("PersistentVolumeClaim"), Claims: claims(decision.ClaimObject)}, []decision.Fact{classes}},
		"a claim's volume": {decision.Request{Kind: kind("Pod"), Workload: pod, Claims: claims(decision.ClaimVolume)}, []decision.Fact{limits, quotas, volumes, classes}},
		"a claim template": {decision.Request{Kind: kind("StatefulSet"), Workload: template, Claims: claims(decision.ClaimTemplate)}, []decision.Fact{limits, quotas, scalers, volumes, classes}},
		"an ephemeral one": {decision.Request{Kind: kind("Pod"), Workload: pod, Claims: claims(decision.ClaimEphemeral)}, []decision.Fact{limits, quotas, classes}},
	} {
		for _, fact := range decision.AllFacts() {
			if got := matters(&c.r, fact); got != slices.Contains(c.want, fact) {
				t.Errorf("%s: %s matters: %v", name, fact, got)
			}
		}
	}
}

// The scope of an UPDATE depends on what a policy may read of the object.
func TestHowMuchAnUpdateChanges(t *testing.T) {
	object := func(change func(o, metadata, spec map[string]any)) map[string]any {
		metadata, spec := map[string]any{"name": "web", "labels": map[string]any{"a": "b"}, "annotations": map[string]any{"c": "d"}}, map[string]any{"x": int64(1), "volumeName": "v"}
		o := map[string]any{"kind": "Thing", "metadata": metadata, "spec": spec, "status": map[string]any{"y": int64(1)}}
		change(o, metadata, spec)
		return o
	}
	same := func(_, _, _ map[string]any) {}
	const content, labels, nothing = changesContent, changesLabels, changesNothing
	for name, c := range map[string]struct {
		change         func(o, metadata, spec map[string]any)
		want           updateScope
		ofClaim        updateScope
		bySubresources updateScope
	}{
		"nothing":     {same, nothing, nothing, nothing},
		"status":      {func(o, _, _ map[string]any) { o["status"] = nil }, nothing, nothing, nothing},
		"finalizers":  {func(_, m, _ map[string]any) { m["finalizers"] = []any{"x"} }, nothing, nothing, nothing},
		"owners":      {func(_, m, _ map[string]any) { m["ownerReferences"] = []any{"x"} }, nothing, nothing, nothing},
		"a label":     {func(_, m, _ map[string]any) { m["labels"] = map[string]any{"a": "c"} }, labels, labels, labels},
		"no labels":   {func(_, m, _ map[string]any) { delete(m, "labels") }, labels, labels, labels},
		"annotations": {func(_, m, _ map[string]any) { m["annotations"] = map[string]any{} }, labels, labels, labels},
		"spec":        {func(_, _, s map[string]any) { s["x"] = int64(2) }, content, content, nothing},
		"its volume":  {func(_, _, s map[string]any) { s["volumeName"] = "w" }, content, labels, nothing},
		"another":     {func(o, _, _ map[string]any) { o["data"] = "x" }, content, content, nothing},
	} {
		r := &decision.Request{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Thing"}, Object: object(c.change), OldObject: object(same)}
		claim, status, finalize := *r, *r, *r
		claim.Kind.Kind, status.Subresource, finalize.Subresource = "PersistentVolumeClaim", "status", "finalize"
		for what, got := range map[string][2]updateScope{
			"it": {updateScopeOf(r), c.want}, "of a claim": {updateScopeOf(&claim), c.ofClaim},
			"by status": {updateScopeOf(&status), c.bySubresources}, "by finalize": {updateScopeOf(&finalize), c.bySubresources},
		} {
			if got[0] != got[1] {
				t.Errorf("%s, %s: got %v, want %v", name, what, got[0], got[1])
			}
		}
		if got := isUnchanged(r); got != (c.want == nothing) {
			t.Errorf("%s: unchanged %v", name, got)
		}
		r.OldObject = nil
		if got := updateScopeOf(r); got != content {
			t.Errorf("%s, of what cannot be read: got %v", name, got)
		}
	}
	kind := schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "PersistentVolumeClaim"}
	foreign := &decision.Request{Kind: kind, Object: object(func(_, _, s map[string]any) { s["volumeName"] = "w" }), OldObject: object(same)}
	if got := updateScopeOf(foreign); got != content {
		t.Errorf("a claim of another group: got %v", got)
	}
}

// Only the Pods of a stored, readable object are subtracted from a quota's usage.
func TestWhoseStoredPodsAreGivenBack(t *testing.T) {
	spec := func(containers any) map[string]any {
		return map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": containers}}}}
	}
	kind := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	right, odd := spec([]any{map[string]any{"name": "a"}}), spec("x")
	for name, c := range map[string]struct {
		r    decision.Request
		want bool
	}{
		"stored":           {decision.Request{Kind: kind, Object: right, OldObject: right}, true},
		"nothing stored":   {decision.Request{Kind: kind, Object: right}, false},
		"what is odd":      {decision.Request{Kind: kind, Object: right, OldObject: odd}, false},
		"what has no Pods": {decision.Request{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Service"}, Object: right, OldObject: right}, false},
		"a live object":    {decision.Request{Kind: kind, Object: right, Origin: decision.OriginLive}, true},
	} {
		if got := storedRequest(&c.r, newObject); (got != nil) != c.want {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if currentUsage(nil, decision.Facts{}, nil) != nil {
		t.Error("what is not stored has Pods")
	}
}
