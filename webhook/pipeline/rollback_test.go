package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"

	"taffrail.dev/test/property"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/request"
)

// live is a Live for one namespace that counts its calls.
type live struct {
	revisions []map[string]any
	cronJob   map[string]any
	err       error
	asked     int
}

func (l *live) Revisions(context.Context, schema.GroupVersionKind, string, map[string]any) iter.Seq2[map[string]any, error] {
	l.asked++
	return func(yield func(map[string]any, error) bool) {
		for _, revision := range l.revisions {
			if l.err == nil && !yield(revision, nil) {
				return
			}
		}
		if l.err != nil {
			yield(nil, l.err)
		}
	}
}

func (l *live) Owner(context.Context, schema.GroupVersionKind, string, string) (map[string]any, error) {
	return nil, nil
}

func (l *live) CronJob(context.Context, string, string) (map[string]any, error) {
	l.asked++
	return l.cronJob, l.err
}

func decoded(t *testing.T, text string) map[string]any {
	t.Helper()
	var value map[string]any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err, text)
	}
	return runtime.DeepCopyJSON(wholeNumbers(value).(map[string]any))
}

// wholeNumbers converts numbers to int64, as Kubernetes' decoder does.
func wholeNumbers(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for name := range value {
			value[name] = wholeNumbers(value[name])
		}
	case []any:
		for i := range value {
			value[i] = wholeNumbers(value[i])
		}
	case float64:
		return int64(value)
	}
	return value
}

const podSpec = `{"restartPolicy":"Always","terminationGracePeriodSeconds":30,"containers":[{"name":"a","image":"nginx"}]}`

func controlled(uid string) string {
	return `"ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"web","uid":"` + uid + `","controller":true}]`
}

func TestRollbacks(t *testing.T) {
	const (
		template = `{"metadata":{"labels":{"app":"web"}},"spec":` + podSpec + `}`
		hashed   = `{"metadata":{"creationTimestamp":null,"labels":{"app":"web","pod-template-hash":"1"}},"spec":` + podSpec + `}`
		labeled  = `{"metadata":{"labels":{"app":"web","more":"1"}},"spec":` + podSpec + `}`
		other    = `{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"a","image":"evil"}]}}`
		short    = `{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"a","image":"nginx"}]}}`
	)
	replicaSet := func(metadata, template string) string {
		return `{"metadata":{"name":"web-1",` + metadata + `},"spec":{"template":` + template + `}}`
	}
	revision := func(metadata, template string) string {
		return `{"metadata":{"name":"web-1",` + metadata + `},"data":{"spec":{"template":` + template + `}}}`
	}
	snapshots := map[v1alpha1.Existing]*config.Snapshot{}
	for _, existing := range []v1alpha1.Existing{v1alpha1.ExistingTolerate, v1alpha1.ExistingEnforce} {
		g := guardrail("g", v1alpha1.ModeEnforce, binding("image-tag", ""))
		g.Spec.Existing = existing
		snapshots[existing] = build(t, g)
	}
	replacing := `{"$patch":"replace",` + short[1:]
	for name, test := range map[string]struct {
		kind, revision string
		want           decision.Verdict
	}{
		"a ReplicaSet":               {"Deployment", replicaSet(controlled("1"), hashed), decision.VerdictWarn},
		"another's ReplicaSet":       {"Deployment", replicaSet(controlled("2"), hashed), decision.VerdictDeny},
		"nobody's ReplicaSet":        {"Deployment", replicaSet(`"labels":{}`, hashed), decision.VerdictDeny},
		"owned and not controlled":   {"Deployment", replicaSet(strings.Replace(controlled("1"), "true", "false", 1), hashed), decision.VerdictDeny},
		"one more label":             {"Deployment", replicaSet(controlled("1"), labeled), decision.VerdictDeny},
		"another image":              {"Deployment", replicaSet(controlled("1"), other), decision.VerdictDeny},
		"no template":                {"Deployment", replicaSet(controlled("1"), `{}`), decision.VerdictDeny},
		"no hash":                    {"Deployment", replicaSet(controlled("1"), template), decision.VerdictDeny},
		"made for another":           {"Deployment", strings.Replace(replicaSet(controlled("1"), hashed), "web-1", "batch-1", 1), decision.VerdictDeny},
		"made for a longer name":     {"Deployment", strings.Replace(replicaSet(controlled("1"), hashed), "web-1", "web-a-1", 1), decision.VerdictDeny},
		"on its way out":             {"Deployment", replicaSet(`"deletionTimestamp":"2026-01-01T00:00:00Z",`+controlled("1"), hashed), decision.VerdictDeny},
		"another set's by its name":  {"StatefulSet", strings.Replace(revision(controlled("1"), replacing), "web-1", "web-a-1", 1), decision.VerdictDeny},
		"in a different case":        {"StatefulSet", revision(controlled("1"), strings.Replace(replacing, "containers", "Containers", 1)), decision.VerdictDeny},
		"a set's revision":           {"StatefulSet", revision(controlled("1"), replacing), decision.VerdictWarn},
		"a DaemonSet's revision":     {"DaemonSet", revision(controlled("1"), replacing), decision.VerdictWarn},
		"another set's revision":     {"StatefulSet", revision(controlled("2"), replacing), decision.VerdictDeny},
		"a hash in a set's revision": {"StatefulSet", revision(controlled("1"), hashed), decision.VerdictDeny},
		"a revision of another sort": {"StatefulSet", `{"metadata":{"name":"web-1",` + controlled("1") + `},"data":"text"}`, decision.VerdictDeny},
		"a kind without revisions":   {"ReplicaSet", replicaSet(controlled("1"), hashed), decision.VerdictDeny},
	} {
		for existing, s := range snapshots {
			stored := func(template string) string {
				return `{"metadata":{"name":"web","uid":"1"},"spec":{"selector":{"matchLabels":{"app":"web"}},"template":` + template + `}}`
			}
			r := admission(t, "UPDATE", "apps", test.kind, "", "alice", stored(template), stored(strings.Replace(template, "nginx", "nginx:1", 1)))
			l := &live{revisions: []map[string]any{decoded(t, test.revision)}}
			d, err := pipeline.New(s, known(nil), pipeline.Options{Live: l}).Decide(t.Context(), r)
			if err != nil || d.Verdict != test.want {
				t.Errorf("%s, %s: got %v %+v, want %v", name, existing, err, d, test.want)
			}
			if d, err = pipeline.New(s, known(nil), pipeline.Options{}).Decide(t.Context(), r); err != nil || d.Verdict != decision.VerdictDeny {
				t.Errorf("%s, without a cluster: got %v %+v", name, err, d)
			}
			if l.err = errors.New("away"); test.kind == "ReplicaSet" {
				continue
			}
			if d, err = pipeline.New(s, known(nil), pipeline.Options{Live: l}).Decide(t.Context(), r); !errors.Is(err, l.err) {
				t.Errorf("%s: with the API server away, got %v %+v", name, err, d)
			}
		}
	}
}

// The deployment controller rolls back by annotation to any ReplicaSet that its Deployment has adopted. What
// enforcement would deny is counted first, without failing a request.
func TestARollbackToNoRevisionIsCountedBeforeItIsDenied(t *testing.T) {
	stored := func(image string) string {
		return `{"metadata":{"name":"web","uid":"1"},"spec":{"selector":{"matchLabels":{"app":"web"}},"template":{"spec":{"containers":[{"name":"a","image":"` + image + `"}]}}}}`
	}
	r := admission(t, "UPDATE", "apps", "Deployment", "", "system:serviceaccount:kube-system:deployment-controller", stored("nginx"), stored("nginx:1"))
	for mode, want := range map[v1alpha1.Mode]decision.Verdict{
		v1alpha1.ModeEnforce: decision.VerdictDeny, v1alpha1.ModeWarn: decision.VerdictWarn, v1alpha1.ModeAudit: decision.VerdictAllow,
	} {
		s := build(t, guardrail("g", mode, binding("image-tag", "")))
		d, err := pipeline.New(s, known(nil), pipeline.Options{Live: &live{}}).Decide(t.Context(), r)
		if err != nil || d.Verdict != want || len(d.Findings) != 1 || !d.Findings[0].WouldDeny {
			t.Errorf("%s: got %v %+v, want %v", mode, err, d, want)
		}
		away := errors.New("away")
		_, err = pipeline.New(s, known(nil), pipeline.Options{Live: &live{err: away}}).Decide(t.Context(), r)
		if errors.Is(err, away) != (mode == v1alpha1.ModeEnforce) {
			t.Errorf("%s, with the API server away: got %v", mode, err)
		}
	}
}

func TestARollbackExcusesItsTemplateAlone(t *testing.T) {
	s := build(t, guardrail("g", v1alpha1.ModeEnforce, binding("image-tag", ""), binding("rollback-history", "")))
	stored := func(image, history string) string {
		return `{"metadata":{"name":"web","uid":"1"},"spec":{"selector":{"matchLabels":{"app":"web"}},"revisionHistoryLimit":` + history +
			`,"template":{"spec":{"containers":[{"name":"a","image":"` + image + `"}]}}}}`
	}
	r := admission(t, "UPDATE", "apps", "Deployment", "", "alice", stored("nginx", "0"), stored("nginx:1", "10"))
	l := &live{revisions: []map[string]any{decoded(t, `{"metadata":{"name":"web-1",`+controlled("1")+`},"spec":{"template":{"metadata":{"labels":{"pod-template-hash":"1"}},"spec":{"containers":[{"name":"a","image":"nginx"}]}}}}`)}}
	d, err := pipeline.New(s, known(nil), pipeline.Options{Live: l}).Decide(t.Context(), r)
	if err != nil || len(d.Findings) != 2 || d.Findings[0].Policy != "rollback-history" || d.Findings[0].Tolerated != "" || d.Findings[1].Tolerated != "as in ReplicaSet web-1" {
		t.Errorf("got %v %+v", err, d)
	}
}

func TestNothingIsReadLiveWithoutNeed(t *testing.T) {
	stored := func(image string) string {
		return `{"metadata":{"name":"web","uid":"1"},"spec":{"selector":{"matchLabels":{"app":"web"}},"template":{"spec":{"containers":[{"name":"a","image":"` + image + `"}]}}}}`
	}
	s := build(t, guardrail("g", v1alpha1.ModeEnforce, binding("image-tag", "")))
	for name, r := range map[string]*decision.Request{
		"clean":       admission(t, "UPDATE", "apps", "Deployment", "", "alice", stored("a:1"), stored("a")),
		"had it":      admission(t, "UPDATE", "apps", "Deployment", "", "alice", stored("a"), stored("a")),
		"a CREATE":    admission(t, "CREATE", "apps", "Deployment", "", "alice", stored("a"), "null"),
		"a plain Job": admission(t, "CREATE", "batch", "Job", "", "alice", stored("a"), "null"),
	} {
		l := &live{}
		if _, err := pipeline.New(s, known(nil), pipeline.Options{Live: l}).Decide(t.Context(), r); err != nil || l.asked > 0 {
			t.Errorf("%s: asked %d times, %v", name, l.asked, err)
		}
	}
}

func TestJobsFromCronJobs(t *testing.T) {
	const (
		owner  = `"ownerReferences":[{"apiVersion":"batch/v1","kind":"CronJob","name":"nightly","uid":"1","controller":true}]`
		added  = `"batch.kubernetes.io/controller-uid":"2","batch.kubernetes.io/job-name":"j","controller-uid":"2","job-name":"j"`
		bad    = `"spec":{"restartPolicy":"Never","terminationGracePeriodSeconds":30,"containers":[{"name":"a","image":"nginx"}]}`
		ending = `"completions":1,"parallelism":1,"suspend":false,"completionMode":"NonIndexed","podReplacementPolicy":"TerminatingOrFailed"`
	)
	cronJob := `{"metadata":{"name":"nightly","uid":"1"},"spec":{"jobTemplate":{"spec":{"backoffLimit":20,"template":{` + bad + `}}}}}`
	job := func(owner, limit, labels, template string) string {
		return `{"metadata":{"name":"j",` + owner + `},"spec":{` + ending + `,"backoffLimit":` + limit + `,"template":{"metadata":{"labels":{` + labels + `}},` + template + `}}}`
	}
	s := build(t, guardrail("g", v1alpha1.ModeEnforce, binding("image-tag", ""), binding("job-retries", "")))
	for name, test := range map[string]struct {
		job    string
		denied []string
	}{
		"as it is":           {job(owner, "20", added, bad), nil},
		"one more label":     {job(owner, "20", added+`,"more":"1"`, bad), []string{"image-tag"}},
		"other retries":      {job(owner, "21", added, bad), []string{"job-retries"}},
		"another template":   {job(owner, "20", added, strings.Replace(bad, "nginx", "evil", 1)), []string{"image-tag"}},
		"another uid":        {job(strings.Replace(owner, `"1"`, `"2"`, 1), "20", added, bad), []string{"image-tag", "job-retries"}},
		"another name":       {job(strings.Replace(owner, "nightly", "gone", 1), "20", added, bad), []string{"image-tag", "job-retries"}},
		"another group":      {job(strings.Replace(owner, "batch/v1", "example.com/v1", 1), "20", added, bad), []string{"image-tag", "job-retries"}},
		"another kind":       {job(strings.Replace(owner, "CronJob", "Workflow", 1), "20", added, bad), []string{"image-tag", "job-retries"}},
		"not its controller": {job(strings.Replace(owner, "true", "false", 1), "20", added, bad), []string{"image-tag", "job-retries"}},
	} {
		r := admission(t, "CREATE", "batch", "Job", "", "alice", test.job, "null")
		l := &live{cronJob: decoded(t, cronJob)}
		if request.Controller(r.Object).Name != "nightly" {
			l.cronJob = nil
		}
		d, err := pipeline.New(s, known(nil), pipeline.Options{Live: l}).Decide(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		var denied []string
		for _, f := range d.Findings {
			if f.Denies() {
				denied = append(denied, f.Policy)
			}
		}
		if slices.Sort(denied); !slices.Equal(denied, test.denied) {
			t.Errorf("%s: denied by %v, want %v", name, denied, test.denied)
		}
	}
}

// A Job's own metadata also comes from the CronJob: kubectl copies it, and the API server gives a Job without
// labels those of its template.
func TestMetadataOfJobsFromCronJobs(t *testing.T) {
	const cronJob = `{"metadata":{"uid":"1"},"spec":{"jobTemplate":{"metadata":%s,"spec":{"template":{"metadata":{"labels":{"app":"x"}},"spec":{}}}}}}`
	for name, test := range map[string]struct {
		given, labels, annotations  string
		wantLabels, wantAnnotations bool
	}{
		"none given":          {`{}`, `{"app":"x","job-name":"j"}`, `{"cronjob.kubernetes.io/instantiate":"manual"}`, true, true},
		"given":               {`{"labels":{"a":"1"},"annotations":{"b":"2"}}`, `{"a":"1"}`, `{"b":"2"}`, true, true},
		"others":              {`{"labels":{"a":"1"},"annotations":{"b":"2"}}`, `{"a":"2"}`, `{"b":"3"}`, false, false},
		"more":                {`{"labels":{"a":"1"}}`, `{"a":"1","b":"1"}`, `{"b":"2"}`, false, false},
		"annotations alone":   {`{"annotations":{"b":"2"}}`, `{"app":"x"}`, `{"b":"2"}`, true, true},
		"none, and annotated": {`{}`, `{"app":"x"}`, `{"b":"2"}`, true, false},
		"the template's also": {`{"labels":{"a":"1"}}`, `{"app":"x"}`, `{}`, false, true},
	} {
		r := admission(t, "CREATE", "batch", "Job", "", "alice", `{"metadata":{"labels":`+test.labels+`,"annotations":`+test.annotations+
			`,"ownerReferences":[{"apiVersion":"batch/v1","kind":"CronJob","name":"x","uid":"1","controller":true}]},"spec":{"template":{"spec":{}}}}`, "null")
		has, err := pipeline.FieldsOfCronJob(t.Context(), r, &live{cronJob: decoded(t, fmt.Sprintf(cronJob, test.given))})
		if err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]bool{
			"metadata.labels": test.wantLabels, "metadata.labels[owner]": test.wantLabels, "metadata.annotations": test.wantAnnotations,
			"metadata.name": false, "metadata.namespace": false, "metadata": false, "spec": false, "specs": false,
		} {
			if got := has(path); got != want {
				t.Errorf("%s: %s: got %v", name, path, got)
			}
		}
	}
}

// Two templates are the same only if they differ at most in the hash label and API defaults.
func TestOnlyTheHashLabelIsNoDifference(t *testing.T) {
	s := build(t, guardrail("g", v1alpha1.ModeEnforce, binding("image-tag", "")))
	// Fields that this version of k8s.io/api does not know are compared too.
	const base = `{"metadata":{"labels":{"app":"web","tier":"1"},"annotations":{"a":"b"}},"spec":{"hostname":"h","nodeSelector":{"a":"b"},` +
		`"containers":[{"name":"a","image":"nginx","env":[{"name":"A","value":"1"}],"ports":[{"name":"http","containerPort":80}],"later":"x"}],"volumes":[{"name":"v","emptyDir":{"medium":"Memory"}}]}}`
	leaves := leavesOf(decoded(t, base), nil)
	property.Check(t, func(rt *rapid.T) {
		changed := decoded(t, base)
		leaf := rapid.SampledFrom(leaves).Draw(rt, "leaf")
		touch := rapid.SampledFrom([]string{"nothing", "replace", "remove", "default", "null"}).Draw(rt, "touch")
		same := true
		switch touch {
		case "replace":
			same = false
			put(changed, leaf, "else")
		case "remove":
			same = false
			put(changed, leaf, nil)
		case "default":
			put(changed, []any{"spec", "dnsPolicy"}, "ClusterFirst")
		case "null":
			put(changed, []any{"metadata", "creationTimestamp"}, nil)
			changed["metadata"].(map[string]any)["creationTimestamp"] = nil
		}
		web := `{"metadata":{"name":"web","uid":"1"},"spec":{"selector":{"matchLabels":{"app":"web"}},"template":%s}}`
		old := strings.Replace(base, `"nginx"`, `"nginx:1"`, 1)
		r := admission(t, "UPDATE", "apps", "Deployment", "", "alice", fmt.Sprintf(web, base), fmt.Sprintf(web, old))
		revision := decoded(t, `{"metadata":{"name":"web-1",`+controlled("1")+`},"spec":{}}`)
		revision["spec"].(map[string]any)["template"] = changed
		put(changed, []any{"metadata", "labels", "pod-template-hash"}, "1")
		d, err := pipeline.New(s, known(nil), pipeline.Options{Live: &live{revisions: []map[string]any{revision}}}).Decide(t.Context(), r)
		if err != nil || (d.Verdict == decision.VerdictWarn) != same {
			rt.Fatalf("%s of %v: got %v %+v", touch, leaf, err, d)
		}
	})
}

// leavesOf returns the paths of all scalars and of empty objects and lists.
func leavesOf(value any, way []any) [][]any {
	var all [][]any
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			all = append(all, leavesOf(member, append(slices.Clone(way), name))...)
		}
	case []any:
		for i, element := range value {
			all = append(all, leavesOf(element, append(slices.Clone(way), i))...)
		}
	}
	if len(all) == 0 {
		return [][]any{way}
	}
	return all
}

// put sets the value at a path, or removes it if value is nil.
func put(object map[string]any, way []any, value any) {
	var at any = object
	for _, step := range way[:len(way)-1] {
		switch step := step.(type) {
		case string:
			at = at.(map[string]any)[step]
		case int:
			at = at.([]any)[step]
		}
	}
	last := way[len(way)-1].(string)
	if value == nil {
		delete(at.(map[string]any), last)
		return
	}
	at.(map[string]any)[last] = value
}
