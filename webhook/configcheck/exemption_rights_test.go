package configcheck_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/configcheck"
	"taffrail.dev/webhook/decision"
)

// exempters grants permission for each "GUARDRAIL NAMESPACE", and counts the reviews.
type exempters struct {
	may   []string
	asked []string
	err   error
}

func (e *exempters) MayExempt(_ context.Context, _ decision.User, guardrail, namespace string) (bool, error) {
	e.asked = append(e.asked, guardrail+" "+namespace)
	return slices.Contains(e.may, guardrail+" "+namespace), e.err
}

// stores is a stored configuration in clusters where every namespace exists.
type stores struct {
	guardrails []v1alpha1.Guardrail
	err        error
}

func (s *stores) Configuration(context.Context) (config.Objects, error) {
	return config.Objects{Guardrails: s.guardrails}, s.err
}
func (s *stores) Namespaces(context.Context) ([]decision.Namespace, error) { return nil, nil }
func (s *stores) Labels(_ context.Context, names []string) (map[string]decision.Namespace, error) {
	found := map[string]decision.Namespace{}
	for _, name := range names {
		found[name] = decision.Namespace{Name: name, Known: true}
	}
	return found, nil
}

func exemptionRequest(change func(spec map[string]any)) *decision.Request {
	spec := map[string]any{
		"policies": []any{"image-tag"}, "namespaces": []any{"shop"}, "reason": "r", "owner": "o", "expires": "2027-01-31",
	}
	change(spec)
	return &decision.Request{
		Operation: decision.Create, Kind: schema.GroupVersionKind{Group: "taffrail.dev", Version: "v1alpha1", Kind: "Exemption"}, Name: "e",
		Object: map[string]any{"apiVersion": "taffrail.dev/v1alpha1", "kind": "Exemption", "metadata": map[string]any{"name": "e"}, "spec": spec},
	}
}

func TestExempt(t *testing.T) {
	library := catalog(t)
	stored := &stores{guardrails: []v1alpha1.Guardrail{
		guardrail("b", v1alpha1.ModeAudit, binding("image-tag", "")), guardrail("a", v1alpha1.ModeEnforce, binding("image-tag", ""), binding("require-probes", "")),
	}}
	now := func() time.Time { return time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC) }
	checker := configcheck.New(library, stored, now)
	many := make([]any, 0, 300)
	for i := range 300 {
		many = append(many, fmt.Sprint("n", i))
	}
	for name, test := range map[string]struct {
		change  func(map[string]any)
		may     []string
		lacking string // GUARDRAIL NAMESPACE of each missing permission
		asked   int
	}{
		"nobody":                  {func(map[string]any) {}, nil, "a shop,b shop", 4},
		"one of two":              {func(map[string]any) {}, []string{"a "}, "b shop", 3},
		"one in the namespace":    {func(map[string]any) {}, []string{"a ", "b shop"}, "", 3},
		"everywhere":              {func(s map[string]any) { s["namespaces"] = []any{"*"} }, []string{"a shop", "b shop"}, "a ,b ", 2},
		"asked once for many":     {func(s map[string]any) { s["namespaces"] = many }, []string{"a ", "b "}, "", 2},
		"not valid":               {func(s map[string]any) { s["expires"] = "soon" }, nil, "", 0},
		"over":                    {func(s map[string]any) { s["expires"] = "2026-12-01" }, nil, "", 0},
		"a policy nobody binds":   {func(s map[string]any) { s["policies"] = []any{"min-replicas"} }, []string{"a ", "b "}, " shop", 2},
		"a policy to come":        {func(s map[string]any) { s["policies"] = []any{"ours-to-come"} }, []string{"a ", "b "}, " shop", 2},
		"one of a policy to come": {func(s map[string]any) { s["policies"] = []any{"image-tag", "ours-to-come"} }, []string{"a ", "b "}, " shop", 4},
		"a kind to come":          {func(s map[string]any) { s["kinds"] = []any{"Gadget.example.com"} }, []string{"a ", "b "}, " shop", 2},
		"the right to every one":  {func(s map[string]any) { s["policies"] = []any{"min-replicas"} }, []string{" "}, "", 1},
	} {
		rights := &exempters{may: test.may}
		lacking, err := checker.Exempt(t.Context(), exemptionRequest(test.change), rights)
		var got []string
		for _, l := range lacking {
			got = append(got, l.Guardrail+" "+l.Namespace)
		}
		if err != nil || strings.Join(got, ",") != test.lacking || len(rights.asked) != test.asked {
			t.Errorf("%s: lacking %q, asked %q, %v", name, got, rights.asked, err)
		}
	}
	// The number of reviews is limited, however many namespaces an Exemption names.
	rights := &exempters{}
	lacking, err := checker.Exempt(t.Context(), exemptionRequest(func(s map[string]any) { s["namespaces"] = many }), rights)
	if err != nil || len(lacking) != 600 || len(rights.asked) > 110 {
		t.Errorf("lacking %d, asked %d times, %v", len(lacking), len(rights.asked), err)
	}
	// A failed review grants nothing.
	broken := errors.New("broken")
	if _, err := checker.Exempt(t.Context(), exemptionRequest(func(map[string]any) {}), &exempters{may: []string{"a ", "b "}, err: broken}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	stored.err = broken
	if _, err := checker.Exempt(t.Context(), exemptionRequest(func(map[string]any) {}), &exempters{may: []string{"a ", "b "}}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// The refusal names what would be loosened, including policies that do not exist yet.
func TestExemptTellsWhatIsLoosened(t *testing.T) {
	stored := &stores{guardrails: []v1alpha1.Guardrail{guardrail("a", v1alpha1.ModeEnforce, binding("image-tag", ""), binding("require-probes", ""))}}
	checker := configcheck.New(catalog(t), stored, func() time.Time { return checkedAt })
	for name, c := range map[string]struct {
		policies   []any
		namespaces []any
		want       string
	}{
		"by a Guardrail": {
			[]any{"require-probes", "image-tag"}, []any{"shop"},
			"a/shop: in namespace shop, Guardrail a would no longer apply image-tag, require-probes",
		},
		"everywhere": {[]any{"image-tag"}, []any{"*"}, "a/: in every namespace, Guardrail a would no longer apply image-tag"},
		"to come": {
			[]any{"ours", "theirs"}, []any{"shop"},
			"/shop: in namespace shop, no Guardrail binds ours, theirs yet, and the Exemption would apply to any Guardrail that binds them later",
		},
		"to come everywhere": {
			[]any{"ours"}, []any{"*"},
			"/: in every namespace, no Guardrail binds ours yet, and the Exemption would apply to any Guardrail that binds them later",
		},
	} {
		r := exemptionRequest(func(s map[string]any) { s["policies"], s["namespaces"] = c.policies, c.namespaces })
		lacking, err := checker.Exempt(t.Context(), r, &exempters{})
		var got []string
		for _, l := range lacking {
			got = append(got, l.Guardrail+"/"+l.Namespace+": "+l.Message)
		}
		if text := strings.Join(got, "\n"); err != nil || text != c.want {
			t.Errorf("%s: got %q, %v", name, text, err)
		}
	}
}

// Only what an UPDATE adds to the Exemption in force is reviewed.
func TestExemptIsAskedAboutWhatAnUpdateAdds(t *testing.T) {
	stored := &stores{guardrails: []v1alpha1.Guardrail{guardrail("a", v1alpha1.ModeEnforce, binding("image-tag", ""), binding("require-probes", ""))}}
	checker := configcheck.New(catalog(t), stored, func() time.Time { return checkedAt })
	same := func(map[string]any) {}
	with := func(name string, value any) func(map[string]any) {
		return func(spec map[string]any) { spec[name] = value }
	}
	for name, c := range map[string]struct {
		change, before func(spec map[string]any)
		of             func(r *decision.Request)
		asked          int
	}{
		"as it was":                {same, same, nil, 0},
		"another reason":           {with("reason", "another"), same, nil, 0},
		"another owner":            {with("owner", "another"), same, nil, 0},
		"a policy more":            {with("policies", []any{"image-tag", "require-probes"}), same, nil, 1},
		"a later end":              {with("expires", "2027-02-28"), same, nil, 1},
		"a sooner end":             {with("expires", "2027-01-20"), same, nil, 0},
		"a policy less":            {same, with("policies", []any{"image-tag", "require-probes"}), nil, 0},
		"one that was not valid":   {same, with("expires", "soon"), nil, 1},
		"one that did not decode":  {same, with("modes", "x"), nil, 1},
		"one that does not decode": {with("modes", "x"), same, nil, 0},
		"of its status":            {with("policies", []any{"require-probes"}), same, func(r *decision.Request) { r.Subresource = "status" }, 0},
		"that is a removal":        {with("policies", []any{"require-probes"}), same, func(r *decision.Request) { r.Operation = "DELETE" }, 0},
		"one that is being deleted": {with("policies", []any{"require-probes"}), same, func(r *decision.Request) {
			r.Object["metadata"].(map[string]any)["deletionTimestamp"] = "2027-01-15T12:00:00Z"
		}, 1},
	} {
		r := exemptionRequest(c.change)
		r.Operation, r.OldObject = decision.Update, exemptionRequest(c.before).Object
		if c.of != nil {
			c.of(r)
		}
		rights := &exempters{may: []string{"a "}}
		lacking, err := checker.Exempt(t.Context(), r, rights)
		if err != nil || len(lacking) > 0 || len(rights.asked) != c.asked {
			t.Errorf("%s: asked %q, lacking %v, %v", name, rights.asked, lacking, err)
		}
	}
}

// A Guardrail that selects by label is reviewed only if the namespace has the label.
func TestExemptAsksForTheGuardrailsThatHoldInANamespace(t *testing.T) {
	g := guardrail("a", v1alpha1.ModeEnforce, binding("image-tag", ""))
	g.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}
	broken := errors.New("the API server is unavailable")
	for name, c := range map[string]struct {
		namespaces []decision.Namespace
		err        error
		want       string
	}{
		"with the label":    {[]decision.Namespace{{Name: "shop", Known: true, Labels: map[string]string{"team": "a"}}}, nil, "a "},
		"without the label": {[]decision.Namespace{{Name: "shop", Known: true}}, nil, " "},
		"not there yet":     {nil, nil, "a "},
		"nobody knows":      {nil, broken, ""},
	} {
		stored := &configured{objects: config.Objects{Guardrails: []v1alpha1.Guardrail{g}}, namespaces: c.namespaces, labelsErr: c.err}
		rights := &exempters{may: []string{"a ", " "}}
		_, err := configcheck.New(catalog(t), stored, func() time.Time { return checkedAt }).Exempt(t.Context(), exemptionRequest(func(map[string]any) {}), rights)
		if !errors.Is(err, c.err) || strings.Join(rights.asked, ",") != c.want {
			t.Errorf("%s: asked %q, %v", name, rights.asked, err)
		}
	}
}

// Exempt decides Exemptions only: another kind, or an Exemption that does not decode, would appear to loosen
// nothing.
func TestExemptDecidesExemptionsAlone(t *testing.T) {
	library := catalog(t)
	checker := configcheck.New(library, &stores{}, nil)
	r := exemptionRequest(func(map[string]any) {})
	r.Object = map[string]any{
		"apiVersion": "taffrail.dev/v1alpha1", "kind": "Guardrail", "metadata": map[string]any{"name": "g"},
		"spec": map[string]any{"mode": "enforce", "policies": []any{map[string]any{"name": "image-tag"}}},
	}
	rights := &exempters{}
	if lacking, err := checker.Exempt(t.Context(), r, rights); err == nil || len(rights.asked) > 0 {
		t.Errorf("a Guardrail: lacking %v, asked %q", lacking, rights.asked)
	}
}
