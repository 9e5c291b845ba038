package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/request"
)

const revisionPatch = `{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"a","image":"nginx"}]}}}}`

// Only the template of a revision is decided, and findings use the field names of its writer's object.
func TestAControllerRevisionIsDecidedAsADaemonSet(t *testing.T) {
	s := build(t, guardrail("g", v1alpha1.ModeEnforce, binding("image-tag", ""), binding("rollback-history", `{"minimum":50}`), binding("require-prestop", "")))
	for name, test := range map[string]struct {
		user, data string
		want       decision.Verdict
	}{
		"a person":                {"alice", revisionPatch, decision.VerdictDeny},
		"the set's controller":    {"system:serviceaccount:kube-system:statefulset-controller", revisionPatch, decision.VerdictAllow},
		"the daemons' controller": {"system:serviceaccount:kube-system:daemon-set-controller", revisionPatch, decision.VerdictAllow},
		"the manager":             {"system:kube-controller-manager", revisionPatch, decision.VerdictAllow},
		"another controller":      {"system:serviceaccount:kube-system:deployment-controller", revisionPatch, decision.VerdictDeny},
		"init containers alone":   {"alice", strings.Replace(revisionPatch, "containers", "initContainers", 1), decision.VerdictDeny},
		"no data":                 {"alice", `null`, decision.VerdictAllow},
		"a list":                  {"alice", `[1]`, decision.VerdictAllow},
		"no template":             {"alice", `{"spec":{"replicas":1}}`, decision.VerdictAllow},
		"no Pod":                  {"alice", `{"spec":{"template":{"spec":{"domain":{}}}}}`, decision.VerdictAllow},
		"no Pod's containers":     {"alice", `{"spec":{"template":{"spec":{"containers":{"a":"nginx"}}}}}`, decision.VerdictAllow},
	} {
		r := admission(t, "CREATE", "apps", "ControllerRevision", "", test.user, `{"metadata":{"name":"web-1"},"revision":1,"data":`+test.data+`}`, "null")
		d := decide(t, s, r, known(nil))
		if d.Verdict != test.want {
			t.Errorf("%s: got %v %v, want %v", name, d.Verdict, policiesIn(d), test.want)
		}
		for _, f := range d.Findings {
			if !decision.FieldPath(f.Path).Within("data.spec.template") {
				t.Errorf("%s: %s is about %s", name, f.Policy, f.Path)
			}
		}
	}
}

// A fix applies to the revision as it was written.
func TestAFixOfAControllerRevisionIsInItsData(t *testing.T) {
	s := build(t, guardrail("g", v1alpha1.ModeEnforce, binding("require-prestop", "")))
	revision := decoded(t, `{"apiVersion":"apps/v1","kind":"ControllerRevision","metadata":{"name":"web-1"},"revision":1,"data":`+
		strings.Replace(revisionPatch, `"image":"nginx"`, `"image":"nginx:1","ports":[{"containerPort":80}]`, 1)+`}`)
	d := decide(t, s, manifest(t, revision), known(nil))
	if len(d.Findings) != 1 || d.Findings[0].Path != "data.spec.template.spec.containers[0].lifecycle.preStop" {
		t.Fatalf("got %+v", d)
	}
	for _, operation := range d.Findings[0].Fix {
		if !strings.HasPrefix(operation.Path, "/data/spec/template/spec/containers/0") {
			t.Errorf("%s %s", operation.Op, operation.Path)
		}
	}
}

func TestAnUpdateOfAControllerRevisionKeepsWhatItHad(t *testing.T) {
	s := build(t, guardrail("g", v1alpha1.ModeEnforce, binding("image-tag", "")))
	revision := func(name string) string {
		return `{"metadata":{"name":"web-1","labels":{"a":"` + name + `"}},"revision":1,"data":` + revisionPatch + `}`
	}
	r := admission(t, "UPDATE", "apps", "ControllerRevision", "", "alice", revision("new"), revision("old"))
	if d := decide(t, s, r, known(nil)); d.Verdict != decision.VerdictWarn {
		t.Errorf("got %+v", d)
	}
}

// A revision that is too large to be inspected is refused if its template would be decided.
func TestAControllerRevisionThatIsTooMuchIsBound(t *testing.T) {
	s := build(t, guardrail("g", v1alpha1.ModeEnforce, binding("image-tag", "")))
	many := strings.Replace(revisionPatch, `[{`, `[`+strings.Repeat(`{"name":"b"},`, request.MaxContainers)+`{`, 1)
	body := `{"request":{"uid":"u","kind":{"group":"apps","version":"v1","kind":"ControllerRevision"},"operation":"CREATE","namespace":"shop","object":{"data":` + many + `}}}`
	_, err := request.Review([]byte(body), decision.OriginValidating)
	limit, ok := errors.AsType[*request.LimitError](err)
	if !ok || limit.Request == nil || limit.Request.Kind.Kind != "ControllerRevision" {
		t.Fatalf("got %v", err)
	}
	d, err := pipeline.New(s, known(nil), pipeline.Options{}).DecideOversized(t.Context(), limit)
	if err != nil || d.Verdict != decision.VerdictDeny || len(d.Findings) != 1 {
		t.Fatalf("got %+v %v", d, err)
	}
	if diff := cmp.Diff([]string{"g"}, d.Findings[0].Guardrails); diff != "" {
		t.Error(diff)
	}
}

// owning is a Live that knows the controller of a revision.
type owning struct {
	live

	owner map[string]any
}

func (o *owning) Owner(context.Context, schema.GroupVersionKind, string, string) (map[string]any, error) {
	o.asked++
	return o.owner, o.err
}

// A ReplicaSet that a Deployment may adopt is decided as the Deployment that a rollback to it would produce.
func TestAClaimedReplicaSetIsDecidedAsADeployment(t *testing.T) {
	const template = `{"metadata":{"labels":{"app":"web","pod-template-hash":"1"}},"spec":{"containers":[{"name":"a","image":"nginx:1"}],"volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"c"}}]}}`
	s := build(t, guardrail("g", v1alpha1.ModeEnforce, binding("stateless-deployment", "")))
	set := func(metadata, template string) string {
		return `{"metadata":{"name":"web-1",` + metadata + `},"spec":{"replicas":0,"template":` + template + `}}`
	}
	unhashed := strings.Replace(template, `,"pod-template-hash":"1"`, "", 1)
	owner := `{"metadata":{"name":"web","uid":"1"},"spec":{"template":` + unhashed + `}}`
	for name, test := range map[string]struct {
		user, set, old, owner string
		want                  decision.Verdict
	}{
		"a Deployment's":            {"alice", set(controlled("1"), template), "", "{}", decision.VerdictDeny},
		"nobody's":                  {"alice", set(`"labels":{}`, template), "", "{}", decision.VerdictDeny},
		"one that stands alone":     {"alice", set(`"labels":{}`, unhashed), "", "{}", decision.VerdictAllow},
		"by its controller":         {"system:serviceaccount:kube-system:deployment-controller", set(controlled("1"), template), "", "{}", decision.VerdictAllow},
		"by another controller":     {"system:serviceaccount:kube-system:replicaset-controller", set(controlled("1"), template), "", "{}", decision.VerdictDeny},
		"with its owner's template": {"alice", set(controlled("1"), template), "", owner, decision.VerdictWarn},
		"with another's template":   {"alice", set(controlled("2"), template), "", owner, decision.VerdictDeny},
		"with a former template":    {"alice", set(controlled("1"), template), "", strings.Replace(owner, "nginx:1", "nginx:2", 1), decision.VerdictDeny},
		"under another name":        {"alice", strings.Replace(set(controlled("1"), template), "web-1", "batch-1", 1), "", owner, decision.VerdictDeny},
		"scaled":                    {"alice", set(controlled("1"), template), strings.Replace(set(controlled("1"), template), `"replicas":0`, `"replicas":1`, 1), "{}", decision.VerdictAllow},
		"given away":                {"alice", set(controlled("2"), template), set(controlled("1"), template), "{}", decision.VerdictAllow},
		"changed":                   {"alice", set(controlled("1"), template), set(controlled("1"), strings.Replace(template, "nginx:1", "nginx:2", 1)), "{}", decision.VerdictDeny},
		"claimed later":             {"alice", set(controlled("1"), template), set(controlled("1"), unhashed), "{}", decision.VerdictDeny},
	} {
		operation, old := "CREATE", "null"
		if test.old != "" {
			operation, old = "UPDATE", test.old
		}
		r := admission(t, operation, "apps", "ReplicaSet", "", test.user, test.set, old)
		d, err := pipeline.New(s, known(nil), pipeline.Options{Live: &owning{owner: decoded(t, test.owner)}}).Decide(t.Context(), r)
		if err != nil || d.Verdict != test.want {
			t.Errorf("%s: got %v %+v, want %v", name, err, d, test.want)
		}
	}
}

// An ambiguous object is refused if any enforced policy applies, with a finding that says why.
func TestWhatIsAmbiguousIsRefused(t *testing.T) {
	const part = `{"metadata":{"name":"web-1"%s},"data":{"spec":{"template":{"spec":{"hostPID":true}}}}}`
	const ambiguous = `{"metadata":{"name":"web-1"%s},"data":{"spec":{"template":{"spec":{"Containers":[{"name":"a","image":"nginx:1"}]}}}}}`
	for mode, want := range map[v1alpha1.Mode]decision.Verdict{
		v1alpha1.ModeEnforce: decision.VerdictDeny, v1alpha1.ModeWarn: decision.VerdictWarn, v1alpha1.ModeAudit: decision.VerdictAllow,
	} {
		g := guardrail("g", mode, binding("image-tag", ""))
		g.Spec.TrustedWriters.Users = []string{"operator"}
		s := build(t, g)
		machine := `,"ownerReferences":[{"apiVersion":"example.com/v1","kind":"Machine","name":"m","uid":"1","controller":true}]`
		for name, test := range map[string]struct {
			user, metadata string
			want           decision.Verdict
		}{
			"a person":                  {"alice", "", want},
			"an operator's":             {"operator", machine, decision.VerdictAllow},
			"an operator's for anybody": {"operator", "", want},
			"the set's controller":      {"system:serviceaccount:kube-system:statefulset-controller", "", decision.VerdictAllow},
		} {
			r := admission(t, "CREATE", "apps", "ControllerRevision", "", test.user, fmt.Sprintf(ambiguous, test.metadata), "null")
			d := decide(t, s, r, known(nil))
			if d.Verdict != test.want || len(d.Findings) != 1 || d.Findings[0].Policy != "ambiguous-object" {
				t.Errorf("%s, %s: got %+v, want %v", mode, name, d, test.want)
			}
			if test.metadata != "" {
				r = admission(t, "UPDATE", "apps", "ControllerRevision", "", "system:serviceaccount:kube-system:generic-garbage-collector",
					fmt.Sprintf(part, ""), fmt.Sprintf(part, test.metadata))
				if d := decide(t, s, r, known(nil)); d.Verdict != want {
					t.Errorf("%s, %s: the owner of a part is lost: got %+v", mode, name, d)
				}
			}
			r = admission(t, "UPDATE", "apps", "ControllerRevision", "", test.user, fmt.Sprintf(ambiguous, test.metadata), fmt.Sprintf(ambiguous, test.metadata))
			if d := decide(t, s, r, known(nil)); d.Verdict != decision.VerdictAllow {
				t.Errorf("%s, %s: an UPDATE of nothing: got %+v", mode, name, d)
			}
		}
	}
}
