package compile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/rego"
)

// Plan is what OPA's planner makes of some rules and everything that they need: functions in OPA's intermediate
// representation. It is immutable and safe for concurrent use.
type Plan struct {
	// functions are sorted so that each comes after those that it calls.
	functions []*ir.Func
	strings   []string
	files     []string
	builtins  map[string]bool
}

// NewPlan plans rules, such as data.taffrail.images.image_tag.deny, of modules that the compiler has compiled.
func NewPlan(ctx context.Context, compiler *ast.Compiler, rules ...string) (*Plan, error) {
	terms := make([]string, len(rules))
	for i, rule := range rules {
		terms[i] = fmt.Sprintf("r%d = %s", i, rule)
	}
	policy, err := planQuery(ctx, compiler, strings.Join(terms, "; "))
	if err != nil {
		return nil, err
	}
	return readPlan(policy), nil
}

func readPlan(policy *ir.Policy) *Plan {
	p := &Plan{functions: policy.Funcs.Funcs, builtins: map[string]bool{}}
	for _, s := range policy.Static.Strings {
		p.strings = append(p.strings, s.Value)
	}
	for _, f := range policy.Static.Files {
		p.files = append(p.files, f.Value)
	}
	for _, b := range policy.Static.BuiltinFuncs {
		p.builtins[b.Name] = true
	}
	for _, f := range p.functions {
		renameLocals(f)
	}
	return p
}

// planTarget is the name under which rego knows planner.
const planTarget = "taffrail.dev/plan"

// planQuery calls the planner through OPA's package rego: the planner is internal to OPA. For a target that a plugin
// claims, rego plans the query and hands the plan to the plugin.
func planQuery(ctx context.Context, compiler *ast.Compiler, query string) (*ir.Policy, error) {
	registerPlanner()
	var policy *ir.Policy
	ctx = context.WithValue(ctx, planKey{}, &policy)
	if _, err := rego.New(rego.Target(planTarget), rego.Compiler(compiler), rego.Query(query)).PrepareForEval(ctx); err != nil {
		return nil, err
	}
	if policy == nil {
		return nil, errors.New("OPA has made no plan")
	}
	return policy, nil
}

type planKey struct{}

// registerPlanner registers the plugin. OPA keeps plugins in a table of the process, and panics at a second one of
// the same name.
var registerPlanner = sync.OnceFunc(func() { rego.RegisterPlugin(planTarget, planner{}) })

// planner is a target plugin that hands the plan to planQuery.
type planner struct{}

// IsTarget is part of rego.TargetPlugin.
func (planner) IsTarget(target string) bool { return target == planTarget }

// PrepareForEval is part of rego.TargetPlugin.
func (planner) PrepareForEval(ctx context.Context, policy *ir.Policy, _ ...rego.PrepareOption) (rego.TargetPluginEval, error) {
	if to, ok := ctx.Value(planKey{}).(**ir.Policy); ok {
		*to = policy
	}
	return nil, nil
}
