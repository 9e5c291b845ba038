package configcheck_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/configcheck"
	"taffrail.dev/webhook/decision"
)

// configured is a stored configuration, parts of which may be unreadable.
type configured struct {
	objects    config.Objects
	namespaces []decision.Namespace

	err, namespacesErr, labelsErr error
}

func (c *configured) Configuration(context.Context) (config.Objects, error) { return c.objects, c.err }

func (c *configured) Namespaces(context.Context) ([]decision.Namespace, error) {
	return c.namespaces, c.namespacesErr
}

func (c *configured) Labels(_ context.Context, names []string) (map[string]decision.Namespace, error) {
	found := map[string]decision.Namespace{}
	for _, name := range names {
		for _, namespace := range c.namespaces {
			if namespace.Name == name {
				found[name] = namespace
			}
		}
	}
	return found, c.labelsErr
}

// checkedAt is the current time for the Checkers of these tests.
var checkedAt = time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC)

func (c *configured) check(t *testing.T, r *decision.Request) (*decision.Checked, error) {
	t.Helper()
	return configcheck.New(catalog(t), c, func() time.Time { return checkedAt }).Check(t.Context(), r)
}

// faultsOf checks a request and returns its faults and warnings, one per line.
func (c *configured) faultsOf(t *testing.T, r *decision.Request) (faults, warnings string) {
	t.Helper()
	checked, err := c.check(t, r)
	if err != nil {
		t.Fatal(err)
	}
	lines := make([]string, 0, len(checked.Faults))
	for i := range checked.Faults {
		lines = append(lines, checked.Faults[i].String())
	}
	return strings.Join(lines, "\n"), strings.Join(checked.Warnings, "\n")
}

// written returns the request that replaces the object before with another, or creates it if before is nil.
func written(t *testing.T, object, before config.Object) *decision.Request {
	t.Helper()
	if before == nil {
		return &decision.Request{Operation: decision.Create, Object: asObject(t, object)}
	}
	return &decision.Request{Operation: decision.Update, Object: asObject(t, object), OldObject: asObject(t, before)}
}

func asObject(t *testing.T, object config.Object) map[string]any {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var decoded map[string]any
	if err := json.Unmarshal(text, &decoded); err != nil {
		t.Fatal(err)
	}
	decoded["apiVersion"] = v1alpha1.GroupVersion().String()
	decoded["kind"] = strings.TrimPrefix(fmt.Sprintf("%T", object), "*v1alpha1.")
	delete(decoded, "status")
	return decoded
}

func enforcing(name string, bindings ...v1alpha1.PolicyBinding) *v1alpha1.Guardrail {
	g := guardrail(name, v1alpha1.ModeEnforce, bindings...)
	return &g
}

// A faulty spec blocks nobody who does not write it.
func TestCheckLooksAtASpecThatIsWritten(t *testing.T) {
	wrong := enforcing("g", binding("no-such-policy", ""))
	right := enforcing("g", binding("image-tag", ""))
	for name, c := range map[string]struct {
		change  func(r *decision.Request)
		refused bool
	}{
		"a new one":                {func(*decision.Request) {}, true},
		"another spec":             {func(r *decision.Request) { r.Operation, r.OldObject = decision.Update, asObject(t, right) }, true},
		"the same spec":            {func(r *decision.Request) { r.Operation, r.OldObject = decision.Update, asObject(t, wrong) }, false},
		"a new one that was there": {func(r *decision.Request) { r.OldObject = asObject(t, wrong) }, true},
		"its status":               {func(r *decision.Request) { r.Subresource = "status" }, false},
		"a removal":                {func(r *decision.Request) { r.Operation = "DELETE" }, false},
		"one that is being deleted": {func(r *decision.Request) {
			r.Object["metadata"].(map[string]any)["deletionTimestamp"] = "2027-01-15T12:00:00Z"
		}, false},
		"one that was stored before": {func(r *decision.Request) { r.Object["metadata"].(map[string]any)["uid"] = "u" }, true},
	} {
		r := written(t, wrong, nil)
		c.change(r)
		faults, _ := (&configured{}).faultsOf(t, r)
		if want := `spec.policies[0].name: Invalid value: "no-such-policy": there is no policy with this id`; c.refused != (faults == want) || !c.refused && faults != "" {
			t.Errorf("%s: got %q", name, faults)
		}
	}
}

func TestCheckRefusesWhatDoesNotDecode(t *testing.T) {
	r := written(t, enforcing("g", binding("image-tag", "")), nil)
	r.Object["spec"].(map[string]any)["modes"] = "warn"
	if faults, _ := (&configured{err: errors.New("not asked")}).faultsOf(t, r); !strings.HasPrefix(faults, "spec.modes: ") {
		t.Errorf("got %q", faults)
	}
}

// If something cannot be determined, the request fails.
func TestCheckFailsForWhatItCannotFindOut(t *testing.T) {
	broken := errors.New("the API server is unavailable")
	selecting := func(g *v1alpha1.Guardrail) *v1alpha1.Guardrail {
		g.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}
		return g
	}
	injecting := config.Objects{Guardrails: []v1alpha1.Guardrail{*selecting(enforcing("a", binding("inject-resources", requests("10m", "64Mi"))))}}
	var many config.Objects
	for i := range config.MaxSets {
		many.Guardrails = append(many.Guardrails, *selecting(enforcing(fmt.Sprint("g-", i), binding("min-replicas", fmt.Sprintf(`{"minimum": %d}`, 2+i)))))
	}
	eleventh := selecting(enforcing("more", binding("min-replicas", `{"minimum": 99}`)))
	for name, c := range map[string]struct {
		stored configured
		r      *decision.Request
	}{
		"the configuration":                  {configured{err: broken}, written(t, enforcing("g", binding("image-tag", "")), nil)},
		"the namespaces that two inject in":  {configured{objects: injecting, namespacesErr: broken}, written(t, selecting(enforcing("b", binding("inject-resources", requests("20m", "64Mi")))), nil)},
		"the namespaces that many have sets": {configured{objects: many, namespacesErr: broken}, written(t, eleventh, nil)},
		"the labels of an Exemption's":       {configured{labelsErr: broken}, written(t, exemptionUntil("2027-01-31"), nil)},
	} {
		if checked, err := c.stored.check(t, c.r); !errors.Is(err, broken) {
			t.Errorf("%s: got %v, %v", name, checked, err)
		}
	}
	ended, end := context.WithCancelCause(t.Context())
	end(broken)
	for name, c := range map[string]struct {
		objects config.Objects
		r       *decision.Request
	}{
		"what Guardrails inject": {injecting, written(t, enforcing("b", binding("inject-resources", requests("20m", "64Mi"))), nil)},
		"what a Policy decides":  {config.Objects{}, written(t, ownPolicy("own", "", `deny contains {"msg": "m", "path": "p"} if input.object.spec.replicas == 7`), nil)},
	} {
		checker := configcheck.New(catalog(t), &configured{objects: c.objects}, nil)
		if checked, err := checker.Check(ended, c.r); err == nil {
			t.Errorf("%s: got %v with a context that has ended", name, checked)
		}
	}
}

// A fault that the stored object already has does not refuse an update, even if it has moved within a list.
func TestCheckWarnsOfWhatWasWrongBefore(t *testing.T) {
	const gone = `Invalid value: "gone": there is no policy with this id`
	for name, c := range map[string]struct {
		object, before   config.Object
		faults, warnings string
	}{
		"a Guardrail": {
			enforcing("g", binding("image-tag", ""), binding("gone", "")), enforcing("g", binding("gone", "")),
			"", "existing error: spec.policies[1].name: " + gone,
		},
		"a Guardrail with another fault": {
			enforcing("g", binding("lost", ""), binding("gone", "")), enforcing("g", binding("gone", "")),
			`spec.policies[0].name: Invalid value: "lost": there is no policy with this id`, "existing error: spec.policies[1].name: " + gone,
		},
		"an Exemption": {
			exempting("image-tag", "gone"), exempting("gone"),
			"", "existing error: spec.policies[1]: " + gone,
		},
		"an Exemption with another fault": {
			exempting("gone", "lost"), exempting("gone"),
			`spec.policies[1]: Invalid value: "lost": there is no policy with this id`, "existing error: spec.policies[0]: " + gone,
		},
		"an Exemption that was a Guardrail's name": {exempting("gone"), enforcing("gone", binding("gone", "")), "spec.policies[0]: " + gone, ""},
	} {
		var stored configured
		if before, ok := c.before.(*v1alpha1.Guardrail); ok {
			stored.objects.Guardrails = []v1alpha1.Guardrail{*before}
		}
		if faults, warnings := stored.faultsOf(t, written(t, c.object, c.before)); faults != c.faults || warnings != c.warnings {
			t.Errorf("%s: got %q, and the warnings %q", name, faults, warnings)
		}
	}
}

// Whoever writes a Guardrail is warned about the injections that it disables in others, and that others disable
// in it.
func TestCheckWarnsOfInjectionsThatDiffer(t *testing.T) {
	inject := func(name, cpu string, more ...v1alpha1.PolicyBinding) *v1alpha1.Guardrail {
		return enforcing(name, append(more, binding("inject-resources", requests(cpu, "64Mi")))...)
	}
	stored := &configured{objects: config.Objects{Guardrails: []v1alpha1.Guardrail{*inject("a", "10m"), *inject("b", "20m"), *enforcing("c", binding("image-tag", ""))}}}
	differs := "resources.requests.cpu: Guardrail %s requires %s and this one %s, so neither is filled in (in every namespace)"
	for name, c := range map[string]struct {
		g    *v1alpha1.Guardrail
		want string
	}{
		"a new one":                     {inject("d", "20m"), fmt.Sprintf(differs, "a", "10m", "20m")},
		"one that was there":            {inject("a", "30m"), fmt.Sprintf(differs, "b", "20m", "30m")},
		"one that binds another policy": {inject("a", "30m", binding("image-tag", "")), fmt.Sprintf(differs, "b", "20m", "30m")},
		"one that agrees now":           {inject("a", "20m"), ""},
		"one that injects nothing":      {enforcing("d", binding("require-probes", "")), ""},
		"one that will not hold":        {inject("d", "30m", binding("gone", "")), ""},
	} {
		if _, warnings := stored.faultsOf(t, written(t, c.g, nil)); warnings != c.want {
			t.Errorf("%s: got %q", name, warnings)
		}
	}
}
