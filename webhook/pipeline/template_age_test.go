package pipeline_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
)

// A namespace has its labels since they were last changed. In the second of its creation, its version shows
// whether it had them before Kubernetes created the first objects in it.
func TestSinceWhenANamespaceHasItsLabels(t *testing.T) {
	entry := func(minute int, subresource string) metav1.ManagedFieldsEntry {
		at := minutes(minute)
		return metav1.ManagedFieldsEntry{Manager: "m", Time: &at, Subresource: subresource}
	}
	namespace := func(version string, entries ...metav1.ManagedFieldsEntry) *metav1.PartialObjectMetadata {
		object := createdAt(1, "n", nil)
		object.ResourceVersion, object.ManagedFields = version, entries
		return object
	}
	rootCA := func(version string) *metav1.PartialObjectMetadata {
		object := createdAt(1, "c", nil)
		object.ResourceVersion = version
		return object
	}
	created := minutes(1).Time
	for name, c := range map[string]struct {
		objects storedObjects
		since   time.Time
		known   bool
		fails   bool
	}{
		"not there":                      {storedObjects{}, time.Time{}, false, false},
		"nobody answers":                 {storedObjects{"Namespace shop": nil}, time.Time{}, false, true},
		"no managers":                    {storedObjects{"Namespace shop": namespace("7")}, created, false, false},
		"managers of its status alone":   {storedObjects{"Namespace shop": namespace("7", entry(5, "status"))}, created, false, false},
		"a manager without a time":       {storedObjects{"Namespace shop": namespace("7", entry(5, ""), metav1.ManagedFieldsEntry{Manager: "m"})}, time.Time{}, false, false},
		"changed later":                  {storedObjects{"Namespace shop": namespace("7", entry(5, ""))}, minutes(5).Time, true, false},
		"changed twice":                  {storedObjects{"Namespace shop": namespace("7", entry(6, ""), entry(5, ""))}, minutes(6).Time, true, false},
		"its status later":               {storedObjects{"Namespace shop": namespace("7", entry(5, ""), entry(6, "status"))}, minutes(5).Time, true, false},
		"never changed, nothing in it":   {storedObjects{"Namespace shop": namespace("7", entry(1, ""))}, created, true, false},
		"never changed":                  {storedObjects{"Namespace shop": namespace("7", entry(1, "")), "ConfigMap kube-root-ca.crt": rootCA("8")}, created, true, false},
		"changed in its second":          {storedObjects{"Namespace shop": namespace("9", entry(1, "")), "ConfigMap kube-root-ca.crt": rootCA("8")}, created.Add(time.Second), true, false},
		"changed with what is in it":     {storedObjects{"Namespace shop": namespace("8", entry(1, "")), "ConfigMap kube-root-ca.crt": rootCA("8")}, created.Add(time.Second), true, false},
		"a version that is not a number": {storedObjects{"Namespace shop": namespace("x", entry(1, "")), "ConfigMap kube-root-ca.crt": rootCA("8")}, created.Add(time.Second), true, false},
		"its content is unknown":         {storedObjects{"Namespace shop": namespace("7", entry(1, "")), "ConfigMap kube-root-ca.crt": nil}, time.Time{}, false, true},
	} {
		since, known, err := pipeline.LabeledSince(t.Context(), c.objects, "shop")
		if !since.Equal(c.since) || known != c.known || (err != nil) != c.fails {
			t.Errorf("%s: got %v, %v, %v", name, since, known, err)
		}
	}
}

// A restored template is as old as its oldest revision, whatever its kind.
func TestTemplatesAreAsOldAsTheirRevision(t *testing.T) {
	const template = `{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"app","image":"app:1"}]}}`
	const another = `{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"app","image":"app:2"}]}}`
	revision := func(kind string, created int, uid, template string) map[string]any {
		metadata := fmt.Sprintf(`"metadata":{"name":"web-1","creationTimestamp":%q,"ownerReferences":[{"apiVersion":"apps/v1","kind":%q,"name":"web","uid":%q,"controller":true}]}`,
			minutes(created).UTC().Format(time.RFC3339), kind, uid)
		if kind == "Deployment" {
			return decoded(t, `{`+metadata+`,"spec":{"template":`+strings.Replace(template, `{"app":"web"}`, `{"app":"web","pod-template-hash":"1"}`, 1)+`}}`)
		}
		return decoded(t, `{`+metadata+`,"data":{"spec":{"template":`+strings.Replace(template, `{`, `{"$patch":"replace",`, 1)+`}}}`)
	}
	const older = "left: the template is older than the injection"
	s := build(t, onlyInjecting(t))
	for name, c := range map[string]struct {
		revisions [][2]int // minute of creation; 1 for another template or 2 for another owner
		live      *live
		change    func(object map[string]any)
		want      string
	}{
		"one from before":          {[][2]int{{9, 0}}, &live{}, nil, older},
		"one from the period then": {[][2]int{{11, 0}}, &live{}, nil, "10m"},
		"one from the period now":  {[][2]int{{21, 0}}, &live{}, nil, "20m"},
		"the oldest of several":    {[][2]int{{21, 0}, {11, 0}, {25, 0}}, &live{}, nil, "10m"},
		"the oldest comes first":   {[][2]int{{9, 0}, {21, 0}}, &live{}, nil, older},
		"another template":         {[][2]int{{9, 1}}, &live{}, nil, "20m"},
		"another's":                {[][2]int{{9, 2}, {11, 0}}, &live{}, nil, "10m"},
		"none":                     {nil, &live{}, nil, "20m"},
		"nobody answers":           {nil, &live{err: errors.New("away")}, nil, "left: it is not known when the template was written: away"},
		"nobody to ask":            {nil, nil, nil, "10m"}, // the object's own age
		"no uid":                   {nil, &live{}, func(object map[string]any) { delete(object["metadata"].(map[string]any), "uid") }, "10m"},
		"no selector":              {nil, &live{}, func(object map[string]any) { delete(object["spec"].(map[string]any), "selector") }, "10m"},
	} {
		for _, kind := range []string{"Deployment", "StatefulSet", "DaemonSet"} {
			object := decoded(t, fmt.Sprintf(`{"metadata":{"name":"web","uid":"u","creationTimestamp":%q},"spec":{"selector":{"matchLabels":{"app":"web"}},"template":%s}}`,
				minutes(11).UTC().Format(time.RFC3339), template))
			if c.change != nil {
				c.change(object)
			}
			old := decoded(t, jsonOf(t, object))
			old["spec"].(map[string]any)["template"] = decoded(t, another)
			options := pipeline.Options{Templates: storedObjects{}}
			if c.live != nil {
				l := *c.live
				for _, r := range c.revisions {
					of, uid := template, "u"
					switch r[1] {
					case 1:
						of = another
					case 2:
						uid = "x"
					}
					l.revisions = append(l.revisions, revision(kind, r[0], uid, of))
				}
				options.Live = &l
			}
			f := known(nil)
			f.namespace.Created = minutes(1).Time
			r := reviewed(t, decision.OriginValidating, "UPDATE", "apps", kind, jsonOf(t, object), jsonOf(t, old))
			d, err := pipeline.New(s, f, options).Decide(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if got := outcome(d); got != c.want {
				t.Errorf("%s, %s: got %q, want %q", name, kind, got, c.want)
			}
		}
	}
}

// onlyInjecting is injectingSince without a policy that denies.
func onlyInjecting(t *testing.T) v1alpha1.Guardrail {
	t.Helper()
	g := injectingSince(t)
	g.Spec.Policies = slices.DeleteFunc(g.Spec.Policies, func(b v1alpha1.PolicyBinding) bool { return b.Name != "inject-resources" })
	return g
}

// The Jobs and Pods of a CronJob are as old as the CronJob, whoever creates them and when.
func TestJobsAreAsOldAsTheirCronJob(t *testing.T) {
	const older = "left: the template is older than the injection"
	s := build(t, onlyInjecting(t))
	objects := storedObjects{
		"CronJob old": createdAt(9, "c", nil), "CronJob middle": createdAt(11, "c", nil), "CronJob new": createdAt(25, "c", nil), "CronJob away": nil,
	}
	owner := func(group, kind, name, uid string) string {
		return fmt.Sprintf(`"ownerReferences":[{"apiVersion":"%s/v1","kind":%q,"name":%q,"uid":%q,"controller":true}]`, group, kind, name, uid)
	}
	for name, c := range map[string]struct{ owner, created, updated string }{
		"an old one":           {owner("batch", "CronJob", "old", "c"), older, older},
		"one of the period":    {owner("batch", "CronJob", "middle", "c"), "10m", "10m"},
		"a new one":            {owner("batch", "CronJob", "new", "c"), "20m", "20m"},
		"one that has gone":    {owner("batch", "CronJob", "gone", "c"), "20m", "10m"},
		"another of its name":  {owner("batch", "CronJob", "old", "d"), "20m", "10m"},
		"one without a uid":    {owner("batch", "CronJob", "old", ""), "20m", "10m"},
		"one without a name":   {owner("batch", "CronJob", "", "c"), "20m", "10m"},
		"another kind":         {owner("batch", "Job", "old", "c"), "20m", "10m"},
		"another group":        {owner("example.com", "CronJob", "old", "c"), "20m", "10m"},
		"nobody's":             {`"labels":{}`, "20m", "10m"},
		"nobody answers of it": {owner("batch", "CronJob", "away", "c"), "left: it is not known when the template was written: away", "left: it is not known when the template was written: away"},
	} {
		for operation, want := range map[string]string{"CREATE": c.created, "UPDATE": c.updated} {
			object := fmt.Sprintf(`{"metadata":{"name":"x","uid":"u","creationTimestamp":%q,%s},"spec":{"template":{"spec":{"containers":[{"name":"app","image":"app:1"}]}}}}`,
				minutes(11).UTC().Format(time.RFC3339), c.owner)
			old := "null"
			if operation == "UPDATE" {
				old = strings.Replace(object, "app:1", "app:0", 1)
			}
			f := known(nil)
			f.namespace.Created = minutes(1).Time
			r := reviewed(t, decision.OriginValidating, operation, "batch", "Job", object, old)
			d, err := pipeline.New(s, f, pipeline.Options{Templates: objects}).Decide(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if got := outcome(d); got != want {
				t.Errorf("%s, %s: got %q, want %q", name, operation, got, want)
			}
		}
	}
}

// A Pod counts as created from a template only if it names a complete built-in owner.
func TestAPodOfNoTemplateIsOfToday(t *testing.T) {
	objects := storedObjects{"ReplicaSet old": createdAt(9, "u", nil), "ReplicaSet ": createdAt(9, "u", nil), "Job old": createdAt(9, "u", nil)}
	s := build(t, onlyInjecting(t))
	for name, c := range map[string]struct{ owner, want string }{
		"a ReplicaSet":          {`{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"old","uid":"u","controller":true}`, "left: the template is older than the injection"},
		"without its uid":       {`{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"old","controller":true}`, "20m"},
		"without its name":      {`{"apiVersion":"apps/v1","kind":"ReplicaSet","uid":"u","controller":true}`, "20m"},
		"that is no controller": {`{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"old","uid":"u"}`, "20m"},
		"of another group":      {`{"apiVersion":"batch/v1","kind":"ReplicaSet","name":"old","uid":"u","controller":true}`, "20m"},
	} {
		r := reviewed(t, decision.OriginMutating, "CREATE", "", "Pod", `{"metadata":{"name":"p","ownerReferences":[`+c.owner+`]},"spec":{"containers":[{"name":"app","image":"app:1"}]}}`, "null")
		f := known(nil)
		f.namespace.Created = minutes(1).Time
		d, err := pipeline.New(s, f, pipeline.Options{Templates: objects}).Decide(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if got := outcome(d); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// With one set of parameters, a younger object needs no further reads.
func TestNobodyIsAskedAboutAnObjectThatIsYounger(t *testing.T) {
	const template = `{"spec":{"containers":[{"name":"app","image":"app:%d"}]}}`
	for created, want := range map[int]string{9: "left: it is not known when the template was written: away", 10: "left: it is not known when the template was written: away", 11: "20m"} {
		g := onlyInjecting(t)
		g.Status.Injection.Periods = []v1alpha1.InjectionPeriod{{Policy: "inject-resources", Parameters: *g.Spec.Policies[0].Parameters, Since: minutes(10)}}
		object := func(image int) string {
			return fmt.Sprintf(`{"metadata":{"name":"x","uid":"u","creationTimestamp":%q},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":%s}}`,
				minutes(created).UTC().Format(time.RFC3339), fmt.Sprintf(template, image))
		}
		f := known(nil)
		f.namespace.Created = minutes(1).Time
		r := reviewed(t, decision.OriginValidating, "UPDATE", "apps", "Deployment", object(2), object(1))
		d, err := pipeline.New(build(t, g), f, pipeline.Options{Templates: storedObjects{}, Live: &live{err: errors.New("away")}}).Decide(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if got := outcome(d); got != want {
			t.Errorf("created at %d: got %q, want %q", created, got, want)
		}
	}
}

func jsonOf(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
