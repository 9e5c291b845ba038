package regotest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/request"
)

// FailureError is returned when a case does not hold.
type FailureError struct {
	// Reason describes the failure.
	Reason string
	// Want and Got are the findings or intents that differ, in YAML. Both are empty if the failure is of
	// another sort.
	Want, Got string
}

func (f *FailureError) Error() string { return f.Reason }

// Program compiles the policy with the parameters of the case. To compile fast, pass a catalog that holds
// only this policy: see rego.Catalog.Only.
func (c *Case) Program(catalog *rego.Catalog, policy *rego.Policy) (*rego.Program, error) {
	return c.program(catalog, policy, rego.DefaultBudget)
}

func (c *Case) program(catalog *rego.Catalog, policy *rego.Policy, budget rego.Budget) (*rego.Program, error) {
	parameters, bad := policy.CheckParameters(c.Parameters, field.NewPath("parameters"))
	if len(bad) > 0 {
		return nil, bad.ToAggregate()
	}
	return rego.Compile(catalog, []rego.Instance{{Policy: policy.ID, Parameters: parameters, Budget: budget}})
}

// Run evaluates the case with a program that Program returned, with and without OPA's rule indexer. It also
// applies every proposed fix, and checks that this removes the finding. It returns a *FailureError if the case
// does not hold.
func (c *Case) Run(ctx context.Context, program *rego.Program) error {
	result, err := c.Evaluate(ctx, program)
	if err != nil {
		return err
	}
	if err := c.Compare(result); err != nil {
		return err
	}
	plain, err := c.Evaluate(ctx, program.WithoutRuleIndexing())
	if err != nil {
		return err
	}
	if err := c.Compare(plain); err != nil {
		return &FailureError{Reason: "OPA's rule indexer changes the result, which is a bug in OPA: " + err.Error()}
	}
	if err := c.checkTolerated(ctx, program); err != nil {
		return err
	}
	for _, violation := range result.Violations {
		if len(violation.Fix) == 0 {
			continue
		}
		if err := c.checkFix(ctx, program, violation); err != nil {
			return err
		}
	}
	return nil
}

// Evaluate returns the policy's result for the case.
func (c *Case) Evaluate(ctx context.Context, program *rego.Program) (decision.Result, error) {
	request, err := c.request(c.Object)
	if err != nil {
		return decision.Result{}, &FailureError{Reason: "the object cannot be decided: " + err.Error()}
	}
	return evaluate(ctx, program, request, rego.Both)
}

// usage returns the most that an evaluation of the case uses, of its deny rules or its inject rules. Run reports what
// fails.
func (c *Case) usage(ctx context.Context, program *rego.Program) (most rego.Usage) {
	_, _ = c.Evaluate(ctx, program.WithUsage(func(_ string, used rego.Usage) {
		most = rego.Usage{Steps: max(most.Steps, used.Steps), Bytes: max(most.Bytes, used.Bytes)}
	}))
	return most
}

func evaluate(ctx context.Context, program *rego.Program, request *decision.Request, part rego.Part) (decision.Result, error) {
	results, err := program.Evaluate(ctx, request, []int{0}, part)
	if err != nil {
		return decision.Result{}, err
	}
	if results[0].Err != nil {
		return decision.Result{}, &FailureError{Reason: results[0].Err.Error()}
	}
	return results[0], nil
}

// Tolerated returns the policy's findings in the new object of an UPDATE, and for each of them whether the old
// object already has it.
func (c *Case) Tolerated(ctx context.Context, program *rego.Program) (found decision.Result, tolerated []bool, err error) {
	req, err := c.request(c.Object)
	if err != nil {
		return found, nil, err
	}
	old, err := request.Old(req)
	if err != nil {
		return found, nil, &FailureError{Reason: "the old object cannot be decided: " + err.Error()}
	}
	if old == nil {
		return found, nil, &FailureError{Reason: "the case sets tolerated but has no oldObject"}
	}
	pipeline.EnrichStored(old)
	before, err := evaluate(ctx, program, old, rego.Deny)
	if err != nil {
		return found, nil, err
	}
	found, err = evaluate(ctx, program, req, rego.Deny)
	return found, pipeline.Tolerated(&before, &found), err
}

// checkTolerated compares which findings the old object already has with what the case expects.
func (c *Case) checkTolerated(ctx context.Context, program *rego.Program) error {
	if !slices.ContainsFunc(*c.Findings, func(f Finding) bool { return f.Tolerated != nil }) {
		return nil
	}
	found, tolerated, err := c.Tolerated(ctx, program)
	if err != nil {
		return err
	}
	for i := range tolerated {
		v := &found.Violations[i]
		for _, wanted := range *c.Findings {
			if wanted.Tolerated != nil && wanted.Path == v.Path && wanted.Message == v.Message && *wanted.Tolerated != tolerated[i] {
				return &FailureError{Reason: fmt.Sprintf("tolerated is %v of: %s", tolerated[i], v.Message)}
			}
		}
	}
	return nil
}

// checkFix applies a proposed fix to the object as it was written, and evaluates the result.
func (c *Case) checkFix(ctx context.Context, program *rego.Program, violation decision.Violation) error {
	request, err := c.request(c.Object)
	if err != nil {
		return err
	}
	operations, err := json.Marshal(violation.Fix)
	if err != nil {
		return err
	}
	fixed, err := apply(request.Original, operations)
	if err != nil {
		return &FailureError{Reason: fmt.Sprintf("the fix %s does not apply: %v", operations, err)}
	}
	if request, err = c.request(fixed); err != nil {
		return &FailureError{Reason: fmt.Sprintf("after the fix %s the object cannot be decided: %v", operations, err)}
	}
	result, err := evaluate(ctx, program, request, rego.Deny)
	if err != nil {
		return err
	}
	for _, left := range result.Violations {
		if left.Container == violation.Container && left.Key == violation.Key && left.Digest == violation.Digest {
			return &FailureError{Reason: fmt.Sprintf("after the fix %s, there is still: %s", operations, left.Message)}
		}
	}
	return nil
}

func apply(original map[string]any, operations []byte) (fixed map[string]any, err error) {
	object, err := json.Marshal(original)
	if err != nil {
		return nil, err
	}
	patch, err := jsonpatch.DecodePatch(operations)
	if err != nil {
		return nil, err
	}
	if object, err = patch.Apply(object); err != nil {
		return nil, err
	}
	err = json.Unmarshal(object, &fixed)
	return fixed, err
}

func (c *Case) request(object map[string]any) (*decision.Request, error) {
	req, err := request.Manifest(integers(object).(map[string]any), c.Namespace.Name)
	if err != nil {
		return nil, err
	}
	req.User = decision.User{Name: c.User.Name, Groups: c.User.Groups}
	req.Namespace = decision.Namespace{Name: req.Namespace.Name, Labels: c.Namespace.Labels, Known: true}
	req.Facts = decision.Facts{
		LimitRanges: c.LimitRanges, ResourceQuotas: c.Quotas, Autoscalers: c.Autoscalers, PersistentVolumeClaims: c.Claims,
		StorageClasses: c.StorageClasses,
	}
	req.Origin = cmp.Or(c.Origin, req.Origin)
	req.Operation = cmp.Or(c.Operation, req.Operation)
	if c.OldObject != nil {
		old, err := request.Manifest(integers(c.OldObject).(map[string]any), c.Namespace.Name)
		if err != nil {
			return nil, fmt.Errorf("oldObject: %w", err)
		}
		req.OldObject, req.OldLastApplied = old.Object, old.LastApplied
	}
	pipeline.Enrich(req)
	return req, nil
}

// Compare returns nil, or a *FailureError with the differences between the result and the case. Findings and
// intents are compared as sets.
func (c *Case) Compare(result decision.Result) error {
	found := make([]Finding, 0, len(result.Violations))
	for _, v := range result.Violations {
		fix := v.Fix
		found = append(found, Finding{
			Container: v.Container, Path: v.Path, Message: v.Message, Key: v.Key, Excess: v.Excess,
			AtMost: atMost(v.AtMost), Unknown: v.Unknown, Fix: &fix,
		})
	}
	wanted := slices.Clone(*c.Findings)
	for i := range wanted {
		wanted[i].Tolerated = nil // checkTolerated compares it
		for _, text := range []*string{&wanted[i].Message, &wanted[i].Path, &wanted[i].Key, &wanted[i].Unknown} {
			*text = decision.Redact(*text)
		}
	}
	byPlace := func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Message, b.Message), strings.Compare(a.Container, b.Container))
	}
	slices.SortFunc(found, byPlace)
	slices.SortFunc(wanted, byPlace)
	pair(wanted, found)
	if err := differ("findings", wanted, found); err != nil {
		return err
	}
	intents := make([]Intent, 0, len(result.Intents))
	for _, i := range result.Intents {
		intents = append(intents, Intent(i))
	}
	byField := func(a, b Intent) int {
		return cmp.Or(strings.Compare(a.Container, b.Container), strings.Compare(a.Field, b.Field))
	}
	wantedIntents := slices.Clone(c.Intents)
	slices.SortFunc(intents, byField)
	slices.SortFunc(wantedIntents, byField)
	return differ("intents", wantedIntents, intents)
}

// pair removes from found whatever the case does not set. A case writes [] to expect that there is no fix.
func pair(wanted, found []Finding) {
	for i := range found {
		var want Finding
		if at := slices.IndexFunc(wanted, func(w Finding) bool {
			return w.Path == found[i].Path && w.Message == found[i].Message && w.Container == found[i].Container
		}); at >= 0 {
			want = wanted[at]
		}
		if want.Key == "" {
			found[i].Key = ""
		}
		if want.Excess == "" || sameNumber(want.Excess, found[i].Excess) {
			found[i].Excess = want.Excess
		}
		switch {
		case want.Fix == nil:
			found[i].Fix = nil
		case *found[i].Fix == nil:
			found[i].Fix = &[]decision.PatchOperation{}
		}
	}
}

func sameNumber(a, b json.Number) bool {
	x, ok := new(big.Rat).SetString(string(a))
	y, too := new(big.Rat).SetString(string(b))
	return ok && too && x.Cmp(y) == 0
}

func differ[T any](what string, wanted, got []T) error {
	want, err := list(wanted)
	if err != nil {
		return err
	}
	have, err := list(got)
	if err != nil || want == have {
		return err
	}
	return &FailureError{Reason: what + " are not as expected", Want: want, Got: have}
}

// list returns elements as YAML, and "" for an empty list.
func list[T any](elements []T) (string, error) {
	if len(elements) == 0 {
		return "", nil
	}
	text, err := yaml.Marshal(elements)
	return string(text), err
}

func atMost(mode decision.Mode) string {
	if mode == 0 {
		return ""
	}
	return mode.String()
}

// integers returns a copy of value with its numbers converted as Taffrail's readers do.
func integers(value any) any {
	switch value := value.(type) {
	case float64:
		if float64(int64(value)) == value {
			return int64(value)
		}
	case map[string]any:
		members := make(map[string]any, len(value))
		for name, member := range value {
			members[name] = integers(member)
		}
		return members
	case []any:
		elements := make([]any, len(value))
		for i, element := range value {
			elements[i] = integers(element)
		}
		return elements
	}
	return value
}
