package pipeline_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/request"
)

// facts is a FactSource for one namespace.
type facts struct {
	namespace decision.Namespace
	facts     decision.Facts
	err       error
}

func (f facts) Namespace(_ context.Context, name string) (decision.Namespace, error) {
	namespace := f.namespace
	namespace.Name = name
	return namespace, f.err
}

func (f facts) Facts(context.Context, string, []decision.Fact) (decision.Facts, error) {
	return f.facts, f.err
}

func known(labels map[string]string) facts {
	return facts{namespace: decision.Namespace{Labels: labels, Known: true}}
}

// library is loaded once: it is immutable, and loading it takes longer than most tests.
var library = sync.OnceValues(func() (*rego.Catalog, error) { return rego.Load(policies.FS) })

func catalog(t *testing.T) *rego.Catalog {
	t.Helper()
	c, err := library()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func build(t *testing.T, guardrails ...v1alpha1.Guardrail) *config.Snapshot {
	t.Helper()
	c := catalog(t)
	if guardrails == nil {
		guardrails = config.Default(c)
	}
	snapshot, problems, err := config.Build(t.Context(), c, config.Objects{Guardrails: guardrails})
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	return snapshot
}

func guardrail(name string, mode v1alpha1.Mode, bindings ...v1alpha1.PolicyBinding) v1alpha1.Guardrail {
	return v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.GuardrailSpec{Mode: mode, Policies: bindings}}
}

func enforcing(name string, bindings ...v1alpha1.PolicyBinding) *v1alpha1.Guardrail {
	g := guardrail(name, v1alpha1.ModeEnforce, bindings...)
	return &g
}

func binding(name, parameters string) v1alpha1.PolicyBinding {
	b := v1alpha1.PolicyBinding{Name: name}
	if parameters != "" {
		b.Parameters = &apiextensionsv1.JSON{Raw: []byte(parameters)}
	}
	return b
}

func decide(t *testing.T, s *config.Snapshot, r *decision.Request, f facts) *decision.Decision {
	t.Helper()
	d, err := pipeline.New(s, f, pipeline.Options{}).Decide(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func container(fields map[string]any) map[string]any {
	probe := map[string]any{"httpGet": map[string]any{"port": int64(80)}}
	c := map[string]any{"name": "app", "image": "app:1.0.0", "readinessProbe": probe, "livenessProbe": probe}
	maps.Copy(c, fields)
	return c
}

// pod and deployment return objects that violate no policy outside of their container.
func pod(c map[string]any) map[string]any {
	owner := map[string]any{"apiVersion": "example.com/v1", "kind": "Fleet", "name": "web", "controller": true}
	return map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"name": "web", "labels": map[string]any{"app": "web"}, "ownerReferences": []any{owner}},
		"spec":     map[string]any{"containers": []any{c}},
	}
}

func deployment(c map[string]any) map[string]any {
	template := map[string]any{
		"metadata": map[string]any{"labels": map[string]any{"app": "web"}},
		"spec":     map[string]any{"containers": []any{c}},
	}
	return map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web"},
		"spec": map[string]any{"replicas": int64(2), "template": template},
	}
}

func manifest(t *testing.T, object map[string]any) *decision.Request {
	t.Helper()
	r, err := request.Manifest(object, "shop")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func policiesIn(d *decision.Decision) []string {
	var ids []string
	for _, f := range d.Findings {
		ids = append(ids, f.Policy)
	}
	return ids
}

func TestMissingResourcesOfATemplateWillBeFilled(t *testing.T) {
	d := decide(t, build(t), manifest(t, deployment(container(nil))), known(nil))
	if d.Verdict != decision.VerdictAllow || len(d.Findings) > 0 || len(d.Fills) != 4 || len(d.Patch) > 0 {
		t.Errorf("got %+v", d)
	}
}

func TestMissingResourcesCountWhereInjectionOnlyWarns(t *testing.T) {
	s := build(t,
		guardrail("need", v1alpha1.ModeEnforce, binding("require-resources", "")),
		guardrail("hint", v1alpha1.ModeWarn, binding("inject-resources", "")))
	d := decide(t, s, manifest(t, deployment(container(nil))), known(nil))
	if d.Verdict != decision.VerdictDeny || len(d.Findings) != 4 {
		t.Errorf("got %+v", d)
	}
}

func TestAManifestsPodIsPatchedAsTheClusterWould(t *testing.T) {
	d := decide(t, build(t), manifest(t, pod(container(nil))), known(nil))
	if d.Verdict != decision.VerdictAllow || len(d.Patch) != 1 || d.Patch[0].Path != "/spec/containers/0/resources" {
		t.Errorf("got %+v", d)
	}
}

func TestAPodAtValidateIsNotExcusedByInjection(t *testing.T) {
	r := manifest(t, pod(container(nil)))
	r.Origin = decision.OriginValidating
	d := decide(t, build(t), r, known(nil))
	if d.Verdict != decision.VerdictDeny || len(d.Fills) > 0 || len(d.Patch) > 0 {
		t.Errorf("nothing fills it any longer, but got %+v", d)
	}
}

func TestMutateNeverDenies(t *testing.T) {
	r := manifest(t, pod(map[string]any{"name": "app", "image": "app"}))
	r.Origin = decision.OriginMutating
	if d := decide(t, build(t), r, known(nil)); d.Verdict == decision.VerdictDeny || len(d.Patch) == 0 {
		t.Errorf("got %+v", d)
	}
}

func TestLimitRangeDefaultsCount(t *testing.T) {
	f := known(nil)
	all := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1Gi")}
	f.facts.LimitRanges = []*corev1.LimitRange{{ObjectMeta: metav1.ObjectMeta{Name: "team"}, Spec: corev1.LimitRangeSpec{
		Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Default: all, DefaultRequest: all}},
	}}}
	s := build(t, guardrail("need", v1alpha1.ModeEnforce, binding("require-resources", ""), binding("inject-resources", "")))
	if d := decide(t, s, manifest(t, deployment(container(nil))), f); d.Verdict != decision.VerdictAllow || len(d.Fills) > 0 {
		t.Errorf("got %+v", d)
	}
}

func TestTheSameObjectTwiceIsDecidedTheSame(t *testing.T) {
	s, r := build(t), manifest(t, pod(map[string]any{"name": "app", "image": "app"}))
	first, second := decide(t, s, r, known(nil)), decide(t, s, r, known(nil))
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error(diff)
	}
}

func TestAnUnknownNamespaceMattersOnlyWhereItsLabelsDo(t *testing.T) {
	s := build(t, slices.DeleteFunc(config.Default(catalog(t)), func(g v1alpha1.Guardrail) bool { return g.Name == "chapter" })...)
	service := func(kind string) *decision.Request {
		spec := map[string]any{"type": kind, "selector": map[string]any{"app": "web"}}
		return manifest(t, map[string]any{"apiVersion": "v1", "kind": "Service", "spec": spec})
	}
	for _, test := range []struct {
		kind  string
		facts facts
		want  decision.Verdict
	}{
		{"LoadBalancer", known(map[string]string{"taffrail.dev/exposure": "restricted"}), decision.VerdictDeny},
		{"LoadBalancer", known(nil), decision.VerdictAllow},
		{"LoadBalancer", facts{}, decision.VerdictUnknown},
		{"ClusterIP", facts{}, decision.VerdictAllow},
	} {
		if d := decide(t, s, service(test.kind), test.facts); d.Verdict != test.want {
			t.Errorf("%s: got %v, want %v", test.kind, d.Verdict, test.want)
		}
	}
}

func TestFactsThatCannotBeLearnedAreAnError(t *testing.T) {
	broken := errors.New("no answer")
	_, err := pipeline.New(build(t), facts{err: broken}, pipeline.Options{}).Decide(t.Context(), manifest(t, pod(container(nil))))
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestSeveralParameterSetsAllHold(t *testing.T) {
	s := build(t,
		guardrail("a", v1alpha1.ModeEnforce, binding("image-tag", `{"tags":["latest"]}`)),
		guardrail("b", v1alpha1.ModeEnforce, binding("image-tag", `{"tags":["stable"]}`)),
		guardrail("c", v1alpha1.ModeWarn, binding("image-tag", `{"tags":["stable"]}`)))
	for tag, want := range map[string][]string{"latest": {"a"}, "stable": {"b", "c"}, "1.0.0": nil} {
		d := decide(t, s, manifest(t, pod(container(map[string]any{"image": "app:" + tag}))), known(nil))
		var asked []string
		for _, f := range d.Findings {
			asked = append(asked, f.Guardrails...)
		}
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Errorf("%s: %s", tag, diff)
		}
	}
}

func TestTheCeilingHolds(t *testing.T) {
	s := build(t)
	r := manifest(t, pod(map[string]any{"name": "app", "image": "app"}))
	for mode, want := range map[decision.Mode]decision.Verdict{decision.ModeEnforce: decision.VerdictDeny, decision.ModeWarn: decision.VerdictWarn, decision.ModeAudit: decision.VerdictAllow} {
		d, err := pipeline.New(s, known(nil), pipeline.Options{MaxMode: mode}).Decide(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if d.Verdict != want || (len(d.Patch) > 0) != (mode == decision.ModeEnforce) {
			t.Errorf("%v: got %v and the patch %v", mode, d.Verdict, d.Patch)
		}
	}
}

func TestNoDecisionHoldsAValueOfASecret(t *testing.T) {
	r := manifest(t, map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "db"},
		"stringData": map[string]any{"password": "swordfish"}})
	d := decide(t, build(t), r, known(nil))
	if d.Verdict != decision.VerdictDeny {
		t.Fatalf("got %v", d.Verdict)
	}
	text := strings.ToLower(cmp.Diff(nil, d))
	for _, secret := range []string{"swordfish", "c3dvcmrmaxno"} {
		if strings.Contains(text, secret) {
			t.Errorf("the decision holds %s: %s", secret, text)
		}
	}
}

func TestFactsAreReadOnlyForPoliciesThatNeedThem(t *testing.T) {
	r := manifest(t, pod(container(nil)))
	source := failingFacts{known(nil)}
	if _, err := pipeline.New(build(t, guardrail("g", v1alpha1.ModeEnforce, binding("image-tag", ""))), source, pipeline.Options{}).Decide(t.Context(), r); err != nil {
		t.Errorf("image-tag needs no facts: %v", err)
	}
	if _, err := pipeline.New(build(t, guardrail("g", v1alpha1.ModeEnforce, binding("require-resources", ""))), source, pipeline.Options{}).Decide(t.Context(), r); err == nil {
		t.Error("require-resources was decided without its facts")
	}
}

type failingFacts struct{ facts }

func (failingFacts) Facts(context.Context, string, []decision.Fact) (decision.Facts, error) {
	return decision.Facts{}, errors.New("no answer")
}

func TestInjectionOfAnUncertainGuardrailExcusesNothing(t *testing.T) {
	inject := guardrail("inject", v1alpha1.ModeEnforce, binding("inject-resources", ""))
	inject.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"fill": "yes"}}
	s := build(t, inject, guardrail("need", v1alpha1.ModeEnforce, binding("require-resources", "")))
	if d := decide(t, s, manifest(t, deployment(container(nil))), facts{}); d.Verdict != decision.VerdictDeny || len(d.Fills) > 0 {
		t.Errorf("got %+v", d)
	}
}

func TestAGapThatCannotBeFilledOnlyWarns(t *testing.T) {
	s := build(t, guardrail("one", v1alpha1.ModeEnforce, binding("inject-resources", `{"requests":{"cpu":"1"}}`)),
		guardrail("two", v1alpha1.ModeEnforce, binding("inject-resources", `{"requests":{"cpu":"2"}}`)))
	d := decide(t, s, manifest(t, pod(container(nil))), known(nil))
	if d.Verdict != decision.VerdictWarn || len(d.Findings) != 1 || d.Findings[0].Mode != decision.ModeWarn ||
		d.Findings[0].Path != "spec.containers[0].resources.requests.cpu" || d.Findings[0].Policy != "inject-resources" ||
		!slices.Equal(d.Findings[0].Guardrails, []string{"one", "two"}) || d.Findings[0].Container != "app" || d.Findings[0].Remediation == "" || d.Findings[0].Severity == "" {
		t.Errorf("got %v %+v", d.Verdict, d.Findings)
	}
}
