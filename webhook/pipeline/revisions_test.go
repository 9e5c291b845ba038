package pipeline_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/normalize"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/review"
)

const revisionPatch = `{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"a","image":"nginx"}]}}}}`

// Only the template of a revision counts, under the words of its writer's object.
func TestAControllerRevisionIsDecidedAsADaemonSet(t *testing.T) {
	s := build(t, guardrail("g", v1alpha1.ModeEnforce, binding("image-tag", ""), binding("rollback-history", `{"minimum":50}`), binding("require-prestop", "")))
	for name, test := range map[string]struct {
		user, data string
		want       review.Verdict
	}{
		"a person":                {"alice", revisionPatch, review.VerdictDeny},
		"the set's controller":    {"system:serviceaccount:kube-system:statefulset-controller", revisionPatch, review.VerdictAllow},
		"the daemons' controller": {"system:serviceaccount:kube-system:daemon-set-controller", revisionPatch, review.VerdictAllow},
		"the manager":             {"system:kube-controller-manager", revisionPatch, review.VerdictAllow},
		"another controller":      {"system:serviceaccount:kube-system:deployment-controller", revisionPatch, review.VerdictDeny},
		"init containers alone":   {"alice", strings.Replace(revisionPatch, "containers", "initContainers", 1), review.VerdictDeny},
		"no data":                 {"alice", `null`, review.VerdictAllow},
		"a list":                  {"alice", `[1]`, review.VerdictAllow},
		"no template":             {"alice", `{"spec":{"replicas":1}}`, review.VerdictAllow},
		"no Pod":                  {"alice", `{"spec":{"template":{"spec":{"domain":{}}}}}`, review.VerdictAllow},
		"no Pod's containers":     {"alice", `{"spec":{"template":{"spec":{"containers":{"a":"nginx"}}}}}`, review.VerdictAllow},
	} {
		r := admission(t, "CREATE", "apps", "ControllerRevision", "", test.user, `{"metadata":{"name":"web-1"},"revision":1,"data":`+test.data+`}`, "null")
		d := decide(t, s, r, known(nil))
		if d.Verdict != test.want {
			t.Errorf("%s: got %v %v, want %v", name, d.Verdict, policiesIn(d), test.want)
		}
		for _, f := range d.Findings {
			if !review.Within(f.Path, "data.spec.template") {
				t.Errorf("%s: %s is about %s", name, f.Policy, f.Path)
			}
		}
	}
}

// A fix applies to the revision as its writer has it.
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
	if d := decide(t, s, r, known(nil)); d.Verdict != review.VerdictWarn {
		t.Errorf("got %+v", d)
	}
}

// What is too much to be looked at is refused where its template would be decided.
func TestAControllerRevisionThatIsTooMuchIsBound(t *testing.T) {
	s := build(t, guardrail("g", v1alpha1.ModeEnforce, binding("image-tag", "")))
	many := strings.Replace(revisionPatch, `[{`, `[`+strings.Repeat(`{"name":"b"},`, normalize.MaxContainers)+`{`, 1)
	body := `{"request":{"uid":"u","kind":{"group":"apps","version":"v1","kind":"ControllerRevision"},"operation":"CREATE","namespace":"shop","object":{"data":` + many + `}}}`
	_, err := normalize.Review([]byte(body), review.OriginValidating)
	limit, ok := errors.AsType[*normalize.LimitError](err)
	if !ok || limit.Request == nil || limit.Request.Kind.Kind != "ControllerRevision" {
		t.Fatalf("got %v", err)
	}
	mode, names, err := s.Strictest(t.Context(), limit.Request, known(nil), pipeline.Options{})
	if err != nil || mode != review.ModeEnforce {
		t.Errorf("got %v %v", mode, err)
	}
	if diff := cmp.Diff([]string{"g"}, names); diff != "" {
		t.Error(diff)
	}
}
