package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/request"
)

// storedObjects has objects by "Kind name". Reading one that is nil fails.
type storedObjects map[string]*metav1.PartialObjectMetadata

func (s storedObjects) Metadata(_ context.Context, kind schema.GroupVersionKind, _, name, uid string) (*metav1.PartialObjectMetadata, error) {
	object, there := s[kind.Kind+" "+name]
	switch {
	case there && object == nil:
		return nil, errors.New("away")
	case !there, uid != "" && string(object.UID) != uid:
		return nil, nil
	}
	return object, nil
}

func minutes(n int) metav1.Time { return metav1.NewTime(time.Date(2027, 1, 1, 0, n, 0, 0, time.UTC)) }

func createdAt(n int, uid string, controller *metav1.OwnerReference) *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{UID: types.UID(uid), CreationTimestamp: minutes(n)}}
	if controller != nil {
		yes := true
		controller.Controller = &yes
		object.OwnerReferences = []metav1.OwnerReference{*controller}
	}
	return object
}

// injectingSince returns a Guardrail that has injected one request everywhere since minute 10, and another
// since minute 20.
func injectingSince(t *testing.T) v1alpha1.Guardrail {
	t.Helper()
	parameters := func(cpu string) string {
		return `{"fill":["requests"],"limits":{"cpu":"250m","memory":"768Mi"},"requests":{"cpu":"` + cpu + `","memory":"512Mi"}}`
	}
	g := guardrail("g", v1alpha1.ModeEnforce, binding("inject-resources", parameters("20m")),
		binding("require-resources", `{"required":["requests.cpu","requests.memory"]}`))
	ten, twenty := minutes(10), minutes(20)
	period := func(cpu string, since metav1.Time, until *metav1.Time) v1alpha1.InjectionPeriod {
		return v1alpha1.InjectionPeriod{Policy: "inject-resources", Parameters: apiextensionsv1.JSON{Raw: []byte(parameters(cpu))}, Since: since, Until: until}
	}
	g.Status.Injection = &v1alpha1.Injection{
		Periods:        []v1alpha1.InjectionPeriod{period("10m", ten, &twenty), period("20m", twenty, nil)},
		SelectionSince: ten, Everywhere: &ten,
	}
	return g
}

// A Pod of any kind gets the injections that were enforced when its template was written. It gets none if
// nothing was enforced yet, or if the time cannot be determined.
func TestPodsAreFilledByTheAgeOfTheirTemplate(t *testing.T) {
	objects := storedObjects{
		"ReplicaSet old": createdAt(9, "u", nil), "ReplicaSet same-second": createdAt(10, "u", nil), "ReplicaSet middle": createdAt(11, "u", nil),
		"ReplicaSet new": createdAt(21, "u", nil), "ReplicaSet away": nil, "ReplicationController old": createdAt(9, "u", nil),
		"ControllerRevision set-1": createdAt(9, "r", &metav1.OwnerReference{UID: "u"}), "ControllerRevision set-2": createdAt(21, "r", &metav1.OwnerReference{UID: "u"}),
		"ControllerRevision daemon-1": createdAt(9, "r", &metav1.OwnerReference{UID: "u"}), "ControllerRevision forged": createdAt(9, "r", &metav1.OwnerReference{UID: "x"}),
		"Job old": createdAt(9, "u", nil), "Job run": createdAt(30, "u", &metav1.OwnerReference{APIVersion: "batch/v1", Kind: "CronJob", Name: "nightly", UID: "c"}),
		"CronJob nightly": createdAt(9, "c", nil), "Job of-another": createdAt(30, "u", &metav1.OwnerReference{APIVersion: "batch/v1", Kind: "CronJob", Name: "nightly", UID: "d"}),
		"Job of-an-operator": createdAt(30, "u", &metav1.OwnerReference{APIVersion: "example.com/v1", Kind: "Queue", Name: "q", UID: "q"}),
	}
	s := build(t, injectingSince(t))
	for name, want := range map[string]string{
		"apps/v1 ReplicaSet old u":         "left: the template is older than the injection",
		"apps/v1 ReplicaSet same-second u": "left: the template is older than the injection",
		"apps/v1 ReplicaSet middle u":      "10m",
		"apps/v1 ReplicaSet new u":         "20m",
		"apps/v1 ReplicaSet old v":         "20m", // another uid, so the Pod was not made from this template
		"apps/v1 ReplicaSet gone u":        "20m",
		"apps/v1 ReplicaSet away u":        "left: it is not known when the template was written: away",
		"v1 ReplicationController old u":   "left: the template is older than the injection",
		"apps/v1 StatefulSet set u set-1":  "left: the template is older than the injection",
		"apps/v1 StatefulSet set u set-2":  "20m",
		"apps/v1 StatefulSet set u forged": "20m",
		"apps/v1 StatefulSet set u":        "20m",
		"apps/v1 DaemonSet daemon u 1":     "left: the template is older than the injection",
		"batch/v1 Job old u":               "left: the template is older than the injection",
		"batch/v1 Job run u":               "left: the template is older than the injection",
		"batch/v1 Job of-another u":        "20m",
		"batch/v1 Job of-an-operator u":    "20m",
		"example.com/v1 Job old u":         "20m",
		"example.com/v1 Database db u":     "20m",
		"":                                 "20m",
	} {
		labels, owners := "", ""
		if f := strings.Fields(name); len(f) > 0 {
			owners = fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"name":%q,"uid":%q,"controller":true}`, f[0], f[1], f[2], f[3])
			if len(f) > 4 {
				labels = fmt.Sprintf(`"controller-revision-hash":%q`, f[4])
			}
		}
		object := `{"metadata":{"generateName":"p-","labels":{` + labels + `},"ownerReferences":[` + owners + `]},"spec":{"containers":[{"name":"app","image":"app:1"}]}}`
		r := reviewed(t, decision.OriginMutating, "CREATE", "", "Pod", object, "null")
		f := known(nil)
		f.namespace.Created = minutes(1).Time
		d, err := pipeline.New(s, f, pipeline.Options{Templates: objects}).Decide(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if got := outcome(d); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// Only the built-in controllers are trusted to name the template of a Pod: a Pod created by hand with an old
// owner counts as written now.
func TestNobodyElseMakesAPodOld(t *testing.T) {
	s := build(t, injectingSince(t))
	for user, want := range map[string]string{
		"system:serviceaccount:kube-system:replicaset-controller":     "left: the template is older than the injection",
		"system:kube-controller-manager":                              "left: the template is older than the injection",
		"system:serviceaccount:kube-system:generic-garbage-collector": "20m",
		"system:serviceaccount:shop:replicaset-controller":            "20m",
		"alice": "20m",
	} {
		r := reviewed(t, decision.OriginMutating, "CREATE", "", "Pod", `{"metadata":{"name":"p","ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"old","uid":"u","controller":true}]},
			"spec":{"containers":[{"name":"app","image":"app:1"}]}}`, "null")
		r.User.Name = user
		f := known(nil)
		f.namespace.Created = minutes(1).Time
		d, err := pipeline.New(s, f, pipeline.Options{Templates: storedObjects{"ReplicaSet old": createdAt(9, "u", nil)}}).Decide(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if got := outcome(d); got != want {
			t.Errorf("%s: got %q, want %q", user, got, want)
		}
	}
}

// outcome returns the CPU request that is filled in, or why none is.
func outcome(d *decision.Decision) string {
	for i := range d.Fills {
		f := &d.Fills[i]
		if f.Field != "resources.requests.cpu" {
			continue
		}
		if f.SkipReason != "" {
			if len(d.Patch) > 0 || f.Mode == decision.ModeEnforce {
				return "left, and patched"
			}
			return "left: " + f.SkipReason
		}
		return f.Value
	}
	return "nothing"
}

func reviewed(t *testing.T, origin decision.Origin, operation, group, kind, object, old string) *decision.Request {
	t.Helper()
	user := "alice"
	if kind == "Pod" {
		user = "system:kube-controller-manager"
	}
	body, err := json.Marshal(map[string]any{"request": map[string]any{
		"uid": "u", "kind": map[string]string{"group": group, "version": "v1", "kind": kind}, "namespace": "shop", "operation": operation,
		"userInfo": map[string]any{"username": user}, "object": json.RawMessage(object), "oldObject": json.RawMessage(old),
	}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := request.Review(body, origin)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The decision about a template matches what its Pods will get: if they will not be filled, the template must
// set its requests. While that is unknown, nothing is denied.
func TestTemplatesAreToldWhatTheirPodsGet(t *testing.T) {
	const template = `"template":{"spec":{"containers":[{"name":"app","image":"app:1"}]}}`
	const two = `"template":{"spec":{"containers":[{"name":"app","image":"app:1"},{"name":"more","image":"app:1"}]}}`
	object := func(created int, spec string) string {
		return fmt.Sprintf(`{"metadata":{"name":"x","uid":"u","creationTimestamp":%q},"spec":{%s}}`, minutes(created).UTC().Format(time.RFC3339), spec)
	}
	cronJob := func(spec string) string { return `"jobTemplate":{"spec":{` + spec + `}}` }
	unrecorded := injectingSince(t)
	unrecorded.Status.Injection = nil
	for name, c := range map[string]struct {
		guardrail       v1alpha1.Guardrail
		operation, kind string
		object, old     string
		verdict         decision.Verdict
		fills           string
	}{
		"a new Deployment":            {injectingSince(t), "CREATE", "Deployment.apps", object(30, template), "null", decision.VerdictAllow, "20m"},
		"a new one, nothing recorded": {unrecorded, "CREATE", "Deployment.apps", object(30, template), "null", decision.VerdictUnknown, "left: it is not recorded yet how long Guardrail g has injected into this namespace"},
		"a ReplicationController's new container": {injectingSince(t), "UPDATE", "ReplicationController", object(9, two), object(9, template), decision.VerdictDeny,
			"left: the template is older than the injection"},
		"an old CronJob's new container": {injectingSince(t), "UPDATE", "CronJob.batch", object(9, cronJob(two)), object(9, cronJob(template)), decision.VerdictDeny,
			"left: the template is older than the injection"},
		"an old CronJob, suspended": {injectingSince(t), "UPDATE", "CronJob.batch", object(9, `"suspend":true,`+cronJob(template)), object(9, cronJob(template)), decision.VerdictWarn,
			"left: the template is older than the injection"},
		"a CronJob of the period before": {injectingSince(t), "UPDATE", "CronJob.batch", object(11, cronJob(two)), object(11, cronJob(template)), decision.VerdictAllow, "10m"},
	} {
		group := schema.ParseGroupKind(c.kind)
		f := known(nil)
		f.namespace.Created = minutes(1).Time
		r := reviewed(t, decision.OriginValidating, c.operation, group.Group, group.Kind, c.object, c.old)
		d, err := pipeline.New(build(t, c.guardrail), f, pipeline.Options{Templates: storedObjects{}}).Decide(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if got := outcome(d); d.Verdict != c.verdict || got != c.fills {
			t.Errorf("%s: %s, %q: %+v", name, d.Verdict, got, d.Findings)
		}
	}
}

// Injections depend on facts read after the request arrived. If those cannot be read, nothing is injected.
func TestFillsAreConfirmed(t *testing.T) {
	limits := func(version, most string) []*corev1.LimitRange {
		return []*corev1.LimitRange{{
			ObjectMeta: metav1.ObjectMeta{Name: "limits", UID: "l", ResourceVersion: version},
			Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
				Type: corev1.LimitTypePod, Max: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(most)},
			}}},
		}}
	}
	g := guardrail("g", v1alpha1.ModeEnforce, binding("inject-resources", ""))
	g.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}
	s := build(t, g)
	in := func(labels map[string]string, ranges []*corev1.LimitRange) facts {
		f := known(labels)
		f.facts.LimitRanges = ranges
		return f
	}
	selected := map[string]string{"a": "b"}
	away := in(selected, nil)
	away.err = errors.New("away")
	pod := `{"metadata":{"name":"p"},"spec":{"containers":[{"name":"app","image":"app:1"},{"name":"large","image":"app:1","resources":{"requests":{"cpu":"900m"},"limits":{"cpu":"900m"}}}]}}`
	for name, c := range map[string]struct {
		cached, fresh facts
		fields        []string
	}{
		"the same":       {in(selected, nil), in(selected, nil), []string{"limits.cpu", "limits.memory", "requests.cpu", "requests.memory"}},
		"a new bound":    {in(selected, nil), in(selected, limits("1", "1")), []string{"limits.memory", "requests.cpu", "requests.memory"}},
		"another bound":  {in(selected, limits("1", "2")), in(selected, limits("2", "1")), []string{"limits.memory", "requests.cpu", "requests.memory"}},
		"no more bound":  {in(selected, limits("1", "1")), in(selected, nil), []string{"limits.cpu", "limits.memory", "requests.cpu", "requests.memory"}},
		"no more label":  {in(selected, nil), in(nil, nil), nil},
		"nobody answers": {in(selected, nil), away, nil},
	} {
		r := reviewed(t, decision.OriginMutating, "CREATE", "", "Pod", pod, "null")
		d, err := pipeline.New(s, c.cached, pipeline.Options{Fresh: c.fresh}).Decide(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		var fields []string
		for _, f := range d.Fills {
			if f.Container == "app" && f.Mode == decision.ModeEnforce {
				fields = append(fields, strings.TrimPrefix(f.Field, "resources."))
			}
		}
		slices.Sort(fields)
		if !slices.Equal(fields, c.fields) || len(fields) == 0 && len(d.Patch) > 0 {
			t.Errorf("%s: fills %v, want %v; patch %v", name, fields, c.fields, d.Patch)
		}
	}
}

// Whoever has raised a limit is not denied for the old one, and a denial that depends on no facts reads none.
func TestDenialsAreConfirmed(t *testing.T) {
	g := guardrail("g", v1alpha1.ModeEnforce, binding("limitrange-fit", ""), binding("image-tag", ""))
	s := build(t, g)
	small := known(nil)
	small.facts.LimitRanges = []*corev1.LimitRange{{
		ObjectMeta: metav1.ObjectMeta{Name: "limits", UID: "l", ResourceVersion: "1"},
		Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
			Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")},
		}}},
	}}
	away := known(nil)
	away.err = errors.New("away")
	object := func(image string) string {
		return `{"metadata":{"name":"x"},"spec":{"template":{"spec":{"containers":[{"name":"app","image":"` + image + `","resources":{"limits":{"cpu":"2"}}}]}}}}`
	}
	for name, c := range map[string]struct {
		image   string
		fresh   facts
		verdict decision.Verdict
		want    int
	}{
		"raised":         {"app:1", known(nil), decision.VerdictAllow, 0},
		"as before":      {"app:1", small, decision.VerdictDeny, 1},
		"nobody answers": {"app:1", away, decision.VerdictDeny, 1},
		"both":           {"app", known(nil), decision.VerdictDeny, 1},
	} {
		r := reviewed(t, decision.OriginValidating, "CREATE", "apps", "Deployment", object(c.image), "null")
		d, err := pipeline.New(s, small, pipeline.Options{Fresh: c.fresh}).Decide(t.Context(), r)
		if err != nil || d.Verdict != c.verdict || len(d.Findings) != c.want {
			t.Errorf("%s: %v %+v", name, err, d)
		}
	}
}

// The injection record is part of the snapshot's identity.
func TestTheRecordIsPartOfTheSnapshot(t *testing.T) {
	with, without := injectingSince(t), injectingSince(t)
	without.Status.Injection = nil
	if build(t, with).ID() == build(t, without).ID() {
		t.Error("the same id")
	}
	if got := build(t, with).Injecting(decision.ModeWarn); len(got) > 0 {
		t.Errorf("under a lower ceiling: %+v", got)
	}
	if got := build(t, with).Injecting(0)["g"]; len(got) != 1 || got[0].Policy != "inject-resources" {
		t.Errorf("got %+v", got)
	}
}

// Guardrails conflict only about Pods that both inject into.
func TestOnlyWhatInjectsDisagrees(t *testing.T) {
	const parameters = `{"fill":["requests"],"limits":{"cpu":"250m","memory":"768Mi"},"requests":{"cpu":"30m","memory":"512Mi"}}`
	thirty := minutes(30)
	later := guardrail("later", v1alpha1.ModeEnforce, binding("inject-resources", parameters))
	later.Status.Injection = &v1alpha1.Injection{
		Periods:        []v1alpha1.InjectionPeriod{{Policy: "inject-resources", Parameters: apiextensionsv1.JSON{Raw: []byte(parameters)}, Since: thirty}},
		SelectionSince: thirty, Everywhere: &thirty,
	}
	s := build(t, injectingSince(t), later)
	f := known(nil)
	f.namespace.Created = minutes(1).Time
	const pod = `{"metadata":{"name":"p","ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"r","uid":"u","controller":true}]},"spec":{"containers":[{"name":"app","image":"app:1"}]}}`
	for created, want := range map[int]string{25: "20m", 35: ""} {
		r := reviewed(t, decision.OriginMutating, "CREATE", "", "Pod", pod, "null")
		d, err := pipeline.New(s, f, pipeline.Options{Templates: storedObjects{"ReplicaSet r": createdAt(created, "u", nil)}}).Decide(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, fill := range d.Fills {
			if fill.Mode == decision.ModeEnforce && fill.Field == "resources.requests.cpu" {
				got = fill.Value
			}
		}
		disagree := slices.ContainsFunc(d.Findings, func(f decision.Finding) bool { return strings.Contains(f.Message, "Guardrails disagree") })
		if got != want || disagree != (want == "") {
			t.Errorf("created at %d: %q, findings %+v", created, got, d.Findings)
		}
	}
}
