package pipeline_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"taffrail.dev/test/property"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/request"
)

func TestAnUpdateMayKeepWhatItHadAndNoMore(t *testing.T) {
	s := build(t)
	update := func(from, to string) *decision.Request {
		r := manifest(t, deployment(container(map[string]any{"image": to})))
		r.Origin, r.Operation = decision.OriginValidating, decision.Update
		r.OldObject = manifest(t, deployment(container(map[string]any{"image": from}))).Object
		return r
	}
	for _, test := range []struct {
		from, to string
		want     decision.Verdict
	}{
		{"nginx:latest", "nginx:latest", decision.VerdictWarn},
		{"nginx:latest", "evil:latest", decision.VerdictDeny},
		{"nginx:1.27.3", "nginx:latest", decision.VerdictDeny},
		{"nginx:latest", "nginx:1.27.3", decision.VerdictAllow},
	} {
		if d := decide(t, s, update(test.from, test.to), known(nil)); d.Verdict != test.want {
			t.Errorf("%s → %s: got %v %v, want %v", test.from, test.to, d.Verdict, policiesIn(d), test.want)
		}
	}
}

// The API server gives a new Namespace itself as its namespace, which cannot be looked up yet.
func TestANewNamespaceNeedsNoNamespace(t *testing.T) {
	r := admission(t, "CREATE", "", "Namespace", "", "alice", `{"metadata":{"name":"shop"}}`, "null")
	if r.Namespace.Name != "" {
		t.Errorf("a Namespace is in the namespace %q", r.Namespace.Name)
	}
	if d := decide(t, build(t), r, known(nil)); d.Verdict != decision.VerdictAllow {
		t.Errorf("got %+v", d)
	}
}

// fataler is a *testing.T or a *rapid.T.
type fataler interface{ Fatal(...any) }

func admission(t fataler, operation, group, kind, subresource, user, object, old string) *decision.Request {
	body := fmt.Sprintf(`{"request":{"uid":"u","kind":{"group":%q,"version":"v1","kind":%q},"subResource":%q,"name":"web","namespace":"shop",`+
		`"operation":%q,"userInfo":{"username":%q},"object":%s,"oldObject":%s}}`, group, kind, subresource, operation, user, object, old)
	r, err := request.Review([]byte(body), decision.OriginValidating)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWhatIsNotDecidedIsNotHeldUp(t *testing.T) {
	const bad = `{"spec":{"containers":[{"name":"a","image":"nginx"}]}}`
	for name, r := range map[string]*decision.Request{
		"DELETE":   admission(t, "DELETE", "", "Pod", "", "alice", "null", bad),
		"CONNECT":  admission(t, "CONNECT", "", "Pod", "exec", "alice", "{}", "null"),
		"a status": admission(t, "UPDATE", "", "Pod", "status", "alice", bad, bad),
	} {
		if d := decide(t, build(t), r, facts{err: errors.New("asked for facts")}); d.Verdict != decision.VerdictAllow || len(d.Findings) > 0 {
			t.Errorf("%s: got %+v", name, d)
		}
	}
}

func TestAnUpdateThatChangesNothingAPolicyReadsIsNeverDenied(t *testing.T) {
	g := guardrail("strict", v1alpha1.ModeEnforce, binding("image-tag", ""), binding("volume-access", ""))
	g.Spec.Existing = v1alpha1.ExistingEnforce
	s := build(t, g)
	const terminating = `,"deletionTimestamp":"2026-01-01T00:00:00Z"`
	deployment := func(metadata, image string) string {
		return `{"metadata":{"name":"web"` + metadata + `},"spec":{"template":{"spec":{"containers":[{"name":"a","image":"` + image + `"}]}}},"status":{"x":1}}`
	}
	claim := func(volume string) string {
		return `{"metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteMany"],"storageClassName":"gp3"` + volume + `}}`
	}
	for name, test := range map[string]struct {
		group, kind, old, object string
		want                     decision.Verdict
	}{
		"a finalizer goes":        {"apps", "Deployment", deployment(terminating+`,"finalizers":["x"]`, "nginx"), deployment(terminating, "nginx"), decision.VerdictWarn},
		"an owner comes":          {"apps", "Deployment", deployment("", "nginx"), deployment(`,"ownerReferences":[{"kind":"Fleet"}]`, "nginx"), decision.VerdictWarn},
		"a revision is noted":     {"apps", "Deployment", deployment("", "nginx"), deployment(`,"annotations":{"deployment.kubernetes.io/revision":"2"}`, "nginx"), decision.VerdictWarn},
		"an annotation comes":     {"apps", "Deployment", deployment("", "nginx"), deployment(`,"annotations":{"a":"b"}`, "nginx"), decision.VerdictWarn},
		"a label comes":           {"apps", "Deployment", deployment("", "nginx"), deployment(`,"labels":{"a":"b"}`, "nginx"), decision.VerdictWarn},
		"a label, and an image":   {"apps", "Deployment", deployment("", "nginx"), deployment(`,"labels":{"a":"b"}`, "evil"), decision.VerdictDeny},
		"the same, and a replica": {"apps", "Deployment", deployment("", "nginx"), strings.Replace(deployment("", "nginx"), `"template"`, `"replicas":2,"template"`, 1), decision.VerdictDeny},
		"terminating, but bad":    {"apps", "Deployment", deployment(terminating, "nginx:1"), deployment(terminating, "nginx"), decision.VerdictDeny},
		"a volume is bound":       {"", "PersistentVolumeClaim", claim(""), claim(`,"volumeName":"pv-1"`), decision.VerdictWarn},
		"a claim grows":           {"", "PersistentVolumeClaim", claim(""), claim(`,"resources":{"requests":{"storage":"2Gi"}}`), decision.VerdictDeny},
	} {
		r := admission(t, "UPDATE", test.group, test.kind, "", "alice", test.object, test.old)
		if d := decide(t, s, r, known(nil)); d.Verdict != test.want {
			t.Errorf("%s: got %v, want %v", name, d.Verdict, test.want)
		}
	}
}

// own returns a snapshot that enforces a policy about Deployments with the given rule.
func own(t *testing.T, existing v1alpha1.Existing, rule string) *config.Snapshot {
	t.Helper()
	library := fstest.MapFS{"own/a_policy/a_policy.rego": {Data: []byte(`# METADATA
# title: A policy
# description: A policy.
# custom:
#   id: a-policy
#   severity: low
#   section: "1"
#   kinds: [Deployment.apps]
#   default_mode: enforce
#   remediation: Fix it.
package taffrail.own.a_policy

` + rule + "\n")}}
	c, err := rego.Load(library)
	if err != nil {
		t.Fatal(err)
	}
	g := guardrail("own", v1alpha1.ModeEnforce, binding("a-policy", ""))
	g.Spec.Existing = existing
	s, problems, err := config.Build(t.Context(), c, config.Objects{Guardrails: []v1alpha1.Guardrail{g}})
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	return s
}

// A user's policy may read anything in an object, so no annotation can be ignored.
func TestAPolicyThatReadsAnAnnotationIsAskedAboutIt(t *testing.T) {
	s := own(t, v1alpha1.ExistingEnforce, `deny contains {"msg": "there is no team", "path": "metadata.annotations"} if {
	object.get(input.object, ["metadata", "annotations", "kubectl.kubernetes.io/team"], "") == ""
}`)
	object := func(annotations string) string {
		return `{"metadata":{"name":"web","annotations":{` + annotations + `}},"spec":{}}`
	}
	for name, test := range map[string]struct {
		old, object string
		want        decision.Verdict
	}{
		"the team goes":                {`"kubectl.kubernetes.io/team":"a"`, ``, decision.VerdictDeny},
		"there was no team before":     {`"x":"1"`, `"x":"2"`, decision.VerdictWarn},
		"the team stays":               {`"kubectl.kubernetes.io/team":"a"`, `"kubectl.kubernetes.io/team":"a","x":"1"`, decision.VerdictAllow},
		"a team comes, where none was": {``, `"kubectl.kubernetes.io/team":"a"`, decision.VerdictAllow},
	} {
		r := admission(t, "UPDATE", "apps", "Deployment", "", "alice", object(test.object), object(test.old))
		if d := decide(t, s, r, known(nil)); d.Verdict != test.want {
			t.Errorf("%s: got %v, want %v", name, d.Verdict, test.want)
		}
	}
}

// The API server stores nothing like this, but if it did, nobody on call could fix it.
func TestAStoredObjectThatCannotBeReadHoldsUpNobody(t *testing.T) {
	const now = `{"metadata":{"name":"web"},"spec":{"template":{"spec":{"containers":[{"name":"a","image":"nginx"}]}}}}`
	for _, old := range []string{
		`{"metadata":{"name":"web"},"spec":{"template":"none"}}`,
		`{"metadata":{"name":"web"},"spec":{"template":{"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":[]}}}]}}}}`,
		`null`,
	} {
		r := admission(t, "UPDATE", "apps", "Deployment", "", "alice", now, old)
		d := decide(t, build(t, guardrail("g", v1alpha1.ModeEnforce, binding("image-tag", ""))), r, known(nil))
		if d.Verdict != decision.VerdictUnknown {
			t.Errorf("%s: got %v %+v", old, d.Verdict, d.Findings)
		}
	}
}

func TestAPolicyThatFailsForTheStoredObjectAlone(t *testing.T) {
	s := own(t, v1alpha1.ExistingTolerate, `deny contains {"msg": "too many", "path": "metadata.annotations"} if {
	to_number(input.object.metadata.annotations.n) > 1
}`)
	object := func(n string) string { return `{"metadata":{"name":"web","annotations":{"n":"` + n + `"}},"spec":{}}` }
	for old, want := range map[string]decision.Verdict{"many": decision.VerdictDeny, "1": decision.VerdictDeny, "3": decision.VerdictWarn} {
		d := decide(t, s, admission(t, "UPDATE", "apps", "Deployment", "", "alice", object("2"), object(old)), known(nil))
		if d.Verdict != want || len(d.Errors) > 0 {
			t.Errorf("from %s: got %v %+v %v", old, d.Verdict, d.Findings, d.Errors)
		}
	}
}

// An object that fails for lack of resources must not be excused by a LimitRange added since.
func TestTheOldObjectIsDecidedUnderTheSameLimitRange(t *testing.T) {
	s := build(t, guardrail("g", v1alpha1.ModeEnforce, binding("require-resources", `{"required":["limits.cpu"]}`)))
	f := known(nil)
	f.facts.LimitRanges = []*corev1.LimitRange{{ObjectMeta: metav1.ObjectMeta{Name: "team"}, Spec: corev1.LimitRangeSpec{
		Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, DefaultRequest: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}},
	}}}
	object := func(limits string) string {
		return `{"spec":{"template":{"spec":{"containers":[{"name":"a","image":"a:1","resources":{` + limits + `}}]}}}}`
	}
	r := admission(t, "UPDATE", "apps", "Deployment", "", "alice", object(""), object(`"limits":{"cpu":"2"}`))
	if d := decide(t, s, r, f); d.Verdict != decision.VerdictDeny {
		t.Errorf("the limit was there and is gone, but got %v", d.Verdict)
	}
	r = admission(t, "UPDATE", "apps", "Deployment", "", "alice", object(`"requests":{"cpu":"1"}`), object(""))
	if d := decide(t, s, r, f); d.Verdict != decision.VerdictWarn {
		t.Errorf("the limit was never there, but got %v", d.Verdict)
	}
}

// However amounts are written, a limit over the maximum may only come nearer to it.
func TestALimitMayOnlyComeNearerToItsMaximum(t *testing.T) {
	s := build(t, guardrail("g", v1alpha1.ModeEnforce, binding("limitrange-fit", "")))
	amount := rapid.Custom(func(t *rapid.T) resource.Quantity {
		format := rapid.SampledFrom([]resource.Format{resource.BinarySI, resource.DecimalSI, resource.DecimalExponent}).Draw(t, "format")
		n := rapid.Int64Range(1, 1<<52).Draw(t, "bytes")
		if unit := rapid.SampledFrom([]int64{1, 1000, 1 << 20, 1 << 30}).Draw(t, "unit"); n > unit {
			n -= n % unit
		}
		return *resource.NewQuantity(n, format)
	})
	property.Check(t, func(t *rapid.T) {
		most, old, now := amount.Draw(t, "maximum"), amount.Draw(t, "old"), amount.Draw(t, "new")
		f := known(nil)
		f.facts.LimitRanges = []*corev1.LimitRange{{ObjectMeta: metav1.ObjectMeta{Name: "team"}, Spec: corev1.LimitRangeSpec{
			Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{corev1.ResourceMemory: most}}},
		}}}
		object := func(limit resource.Quantity) string {
			return `{"metadata":{"name":"web"},"spec":{"template":{"spec":{"containers":[{"name":"a","resources":{"limits":{"memory":"` + limit.String() + `"}}}]}}}}`
		}
		want := decision.VerdictAllow
		switch {
		case now.Cmp(most) > 0 && now.Cmp(old) > 0:
			want = decision.VerdictDeny
		case now.Cmp(most) > 0:
			want = decision.VerdictWarn
		}
		d, err := pipeline.New(s, f, pipeline.Options{}).Decide(t.Context(), admission(t, "UPDATE", "apps", "Deployment", "", "alice", object(now), object(old)))
		if err != nil {
			t.Fatal(err)
		}
		if d.Verdict != want {
			t.Fatalf("from %s to %s of %s: got %v, want %v", old.String(), now.String(), most.String(), d.Verdict, want)
		}
	})
}

func TestAnUnreadableAnnotationIsNotTakenForUnchanged(t *testing.T) {
	secret := func(annotation string) string {
		return `{"metadata":{"name":"db","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"` + annotation + `"}},"type":"Opaque"}`
	}
	s := build(t, guardrail("g", v1alpha1.ModeEnforce, binding("plaintext-secret", "")))
	for name, test := range map[string]struct {
		old, object string
		want        decision.Verdict
	}{
		"another text":  {"one{", "another{", decision.VerdictDeny},
		"the same text": {"one{", "one{", decision.VerdictWarn},
	} {
		r := admission(t, "UPDATE", "", "Secret", "", "alice", secret(test.object), secret(test.old))
		if d := decide(t, s, r, known(nil)); d.Verdict != test.want {
			t.Errorf("%s: got %v %+v", name, d.Verdict, d.Findings)
		}
	}
}

func TestAnOldPodWithTooManyContainersIsDecided(t *testing.T) {
	many := strings.Repeat(`{"name":"a","image":"a"},`, request.MaxContainers) + `{"name":"b","image":"b"}`
	r := admission(t, "UPDATE", "", "Pod", "", "alice", `{"spec":{"containers":[{"name":"b","image":"b"}]}}`, `{"spec":{"containers":[`+many+`]}}`)
	s := build(t, guardrail("g", v1alpha1.ModeEnforce, binding("image-tag", "")))
	if d := decide(t, s, r, known(nil)); d.Verdict != decision.VerdictDeny {
		t.Errorf("got %v", d.Verdict)
	}
}
