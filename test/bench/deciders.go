package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
)

// extraPolicies are bound to other kinds to show that they cost a request nothing.
const extraPolicies = 200

// noFacts is a namespace without LimitRanges or quotas that all Guardrails select.
type noFacts struct{}

var _ pipeline.FactSource = noFacts{}

func (noFacts) Namespace(_ context.Context, name string) (decision.Namespace, error) {
	return decision.Namespace{Name: name, Known: true, Labels: map[string]string{"taffrail.dev/exposure": "restricted"}}, nil
}

func (noFacts) Facts(context.Context, string, []decision.Fact) (decision.Facts, error) {
	return decision.Facts{}, nil
}

// deciderWith decides by the built-in Guardrails with all policies of the library, and by extra
// policies about custom kinds.
func deciderWith(ctx context.Context, extra int) (*pipeline.Decider, error) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		return nil, err
	}
	guardrails := config.Default(catalog)
	more := v1alpha1.Guardrail{}
	more.Name = "extra"
	more.Spec.Mode = v1alpha1.ModeEnforce
	modules := make(map[string]string, extra)
	for i := range extra {
		id := fmt.Sprintf("extra-%d", i)
		modules[id] = strings.ReplaceAll(extraPolicy, "NUMBER", strconv.Itoa(i))
		more.Spec.Policies = append(more.Spec.Policies, v1alpha1.PolicyBinding{Name: id})
	}
	catalog, bad := catalog.With(modules)
	if len(bad) > 0 {
		return nil, fmt.Errorf("policies: %v", bad)
	}
	if extra > 0 {
		guardrails = append(guardrails, more)
	}
	snapshot, problems, err := config.Build(ctx, catalog, config.Objects{Guardrails: guardrails})
	if err == nil && len(problems) > 0 {
		err = fmt.Errorf("configuration: %v", problems)
	}
	return pipeline.New(snapshot, noFacts{}, pipeline.Options{}), err
}

const extraPolicy = `# METADATA
# title: Extra
# description: A policy about a custom kind.
# custom:
#   id: extra-NUMBER
#   severity: low
#   section: "0"
#   kinds: [ThingNUMBER.example.com]
#   default_mode: enforce
#   remediation: None.
package taffrail.user.extra_NUMBER

deny contains {"msg": "bad", "path": "spec"} if input.object.spec.bad
`
