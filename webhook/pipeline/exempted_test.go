package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
)

func at(moment time.Time) pipeline.Options {
	return pipeline.Options{Now: func() time.Time { return moment }}
}

const untagged = `{"metadata":{"name":"web"},"spec":{"template":{"spec":{"containers":[{"name":"app","image":"nginx"},{"name":"side","image":"nginx"}]}}}}`

// An Exemption applies to what it names, until it expires, and to nothing else: neither injections nor
// findings.
func TestExemptionsExcuseWhatTheyName(t *testing.T) {
	g := *enforcing("g", binding("image-tag", ""), binding("inject-resources", ""))
	during := time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		change   func(*v1alpha1.ExemptionSpec)
		at       time.Time
		excused  string // containers of image-tag's findings
		filled   string // containers of the fills
		inForce  int
		problems int
	}{
		"both":              {func(*v1alpha1.ExemptionSpec) {}, during, "app,side", "app,side", 1, 0},
		"one container":     {func(s *v1alpha1.ExemptionSpec) { s.Containers = []string{"app"} }, during, "app", "app,side", 1, 0},
		"the last second":   {func(*v1alpha1.ExemptionSpec) {}, time.Date(2027, 2, 28, 23, 59, 59, 0, time.UTC), "app,side", "app,side", 1, 0},
		"over":              {func(*v1alpha1.ExemptionSpec) {}, time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC), "", "app,side", 1, 0},
		"another namespace": {func(s *v1alpha1.ExemptionSpec) { s.Namespaces = []string{"other"} }, during, "", "app,side", 1, 0},
		"another name":      {func(s *v1alpha1.ExemptionSpec) { s.Names = []string{"db"} }, during, "", "app,side", 1, 0},
		"another kind":      {func(s *v1alpha1.ExemptionSpec) { s.Kinds = []string{"StatefulSet.apps"} }, during, "", "app,side", 1, 0},
		"an injection of one": {func(s *v1alpha1.ExemptionSpec) {
			s.Policies, s.Containers = []string{"inject-resources"}, []string{"app"}
		}, during, "", "side", 1, 0},
		"one that is wrong": {func(s *v1alpha1.ExemptionSpec) { s.Expires = "soon" }, during, "", "app,side", 0, 1},
	} {
		e := v1alpha1.Exemption{ObjectMeta: metav1.ObjectMeta{Name: "e"}, Spec: v1alpha1.ExemptionSpec{
			Policies: []string{"image-tag"}, Namespaces: []string{"shop"}, Reason: "r", Owner: "o", Expires: "2027-02-28",
		}}
		c.change(&e.Spec)
		s, problems, err := config.Build(t.Context(), catalog(t), config.Objects{Guardrails: []v1alpha1.Guardrail{g}, Exemptions: []v1alpha1.Exemption{e}})
		if err != nil || len(problems) != c.problems || len(s.Exemptions()) != c.inForce {
			t.Fatal(name, problems, err)
		}
		if c.problems > 0 && (problems[0].Kind != "Exemption" || problems[0].Name != "e" || !problems[0].Inactive) {
			t.Errorf("%s: got %+v", name, problems[0])
		}
		r := reviewed(t, decision.OriginValidating, "CREATE", "apps", "Deployment", untagged, "null")
		d, err := pipeline.New(s, known(nil), at(c.at)).Decide(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		var excused, filled []string
		for i := range d.Findings {
			f := &d.Findings[i]
			if f.Exempted() {
				excused = append(excused, f.Container)
			}
			if f.Exempted() == f.WouldDeny || f.Exempted() == f.Denies() {
				t.Errorf("%s: got %+v", name, f)
			}
		}
		for _, fill := range d.Fills {
			if fill.Field == "resources.limits.cpu" {
				filled = append(filled, fill.Container)
			}
		}
		slices.Sort(excused)
		slices.Sort(filled)
		if got, fills := strings.Join(excused, ","), strings.Join(filled, ","); got != c.excused || fills != c.filled {
			t.Errorf("%s: excused %s, filled %s", name, got, fills)
		}
	}
}

// notANumber fails for an object whose name is no number.
const notANumber = `# METADATA
# title: A title
# description: A description.
# custom:
#   id: own
#   severity: high
#   kinds: [Deployment.apps]
#   remediation: Do it.
package taffrail.user.own

deny contains {"msg": "m", "path": "p"} if to_number(input.object.metadata.name) == 7
`

// A policy that fails denies, unless its binding says otherwise or, if the binding does not say, its Policy.
func TestWhoSaysWhatBecomesOfAFailure(t *testing.T) {
	const fail, ignore = v1alpha1.PolicyFailureFail, v1alpha1.PolicyFailureIgnore
	for name, c := range map[string]struct {
		policy, binding v1alpha1.PolicyFailure
		want            decision.Verdict
	}{
		"nobody":                  {"", "", decision.VerdictDeny},
		"the Policy":              {ignore, "", decision.VerdictUnknown},
		"the Policy, strict":      {fail, "", decision.VerdictDeny},
		"the binding":             {"", ignore, decision.VerdictUnknown},
		"the binding over it":     {ignore, fail, decision.VerdictDeny},
		"the binding, leniently":  {fail, ignore, decision.VerdictUnknown},
		"both":                    {ignore, ignore, decision.VerdictUnknown},
		"the binding, and nobody": {"", fail, decision.VerdictDeny},
	} {
		p := v1alpha1.Policy{ObjectMeta: metav1.ObjectMeta{Name: "own"}, Spec: v1alpha1.PolicySpec{FailurePolicy: c.policy, Rego: notANumber}}
		b := binding("own", "")
		b.FailurePolicy = c.binding
		s, problems, err := config.Build(t.Context(), catalog(t), config.Objects{Guardrails: []v1alpha1.Guardrail{*enforcing("g", b)}, Policies: []v1alpha1.Policy{p}})
		if err != nil || len(problems) > 0 {
			t.Fatal(problems, err)
		}
		d, err := pipeline.New(s, known(nil), pipeline.Options{}).Decide(t.Context(), reviewed(t, decision.OriginValidating, "CREATE", "apps", "Deployment", untagged, "null"))
		if err != nil || d.Verdict != c.want || d.Errors["own"] == nil {
			t.Errorf("%s: got %+v, %v", name, d, err)
		}
	}
}

// ending ends a context when one of its facts is read.
type ending struct {
	facts
	end func()
}

func (e ending) Facts(ctx context.Context, namespace string, wanted []decision.Fact) (decision.Facts, error) {
	e.end()
	return e.facts.Facts(ctx, namespace, wanted)
}

// A decision whose context has ended is an error, at whatever step.
func TestADecisionThatIsLateIsAnError(t *testing.T) {
	gone := errors.New("the client is gone")
	s := build(t, *enforcing("g", binding("image-tag", ""), binding("inject-resources", ""), binding("limitrange-fit", "")))
	for name, r := range map[string]*decision.Request{
		"validating": reviewed(t, decision.OriginValidating, "CREATE", "apps", "Deployment", untagged, "null"),
		"mutating":   reviewed(t, decision.OriginMutating, "CREATE", "", "Pod", `{"metadata":{"name":"p"},"spec":{"containers":[{"name":"app","image":"app:1"}]}}`, "null"),
		"an update":  reviewed(t, decision.OriginValidating, "UPDATE", "apps", "Deployment", untagged, strings.Replace(untagged, "side", "other", 1)),
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		d, err := pipeline.New(s, ending{known(nil), func() { cancel(gone) }}, pipeline.Options{}).Decide(ctx, r)
		if !errors.Is(err, gone) {
			t.Errorf("%s: got %+v, %v", name, d, err)
		}
	}
}
