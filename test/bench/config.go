package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
)

// extraPolicies is the number of policies bound to other kinds, to show that they cost a request nothing.
const extraPolicies = 200

// noFacts describes a namespace without labels, LimitRanges or quotas.
type noFacts struct{}

func (noFacts) Namespace(_ context.Context, name string) (decision.Namespace, error) {
	return decision.Namespace{Name: name, Known: true}, nil
}

func (noFacts) Facts(context.Context, string, []decision.Fact) (decision.Facts, error) {
	return decision.Facts{}, nil
}

// spine lists the policies that native implements. They were written first, and the rest of the library is
// compared with their cost.
var spine = []string{
	"image-tag", "require-probes", "require-prestop", "require-resources", "inject-resources", "restricted-service-type", "plaintext-secret",
}

// deciderWith returns a Decider for the built-in default, or only the named policies of it, with extra policies
// about a custom kind.
func deciderWith(extra int, only ...string) (*pipeline.Decider, error) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		return nil, err
	}
	guardrails := config.Default(catalog)
	for i := range guardrails {
		spec := &guardrails[i].Spec
		spec.Policies = slices.DeleteFunc(spec.Policies, func(b v1alpha1.PolicyBinding) bool {
			return len(only) > 0 && !slices.Contains(only, b.Name)
		})
	}
	more := v1alpha1.Guardrail{}
	more.Name = "extra"
	more.Spec.Mode = v1alpha1.ModeEnforce
	modules := make(map[string]string, extra)
	for i := range extra {
		id := fmt.Sprintf("extra-%d", i)
		modules[id] = strings.ReplaceAll(extraPolicy, "NUMBER", fmt.Sprint(i))
		more.Spec.Policies = append(more.Spec.Policies, v1alpha1.PolicyBinding{Name: id})
	}
	catalog, bad := catalog.With(modules)
	if len(bad) > 0 {
		return nil, fmt.Errorf("policies: %v", bad)
	}
	if extra > 0 {
		guardrails = append(guardrails, more)
	}
	snapshot, problems, err := config.Build(context.Background(), catalog, config.Objects{Guardrails: guardrails})
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

// declaredIsEffective replaces enrichment, as in a namespace without LimitRanges.
func declaredIsEffective(r *decision.Request) {
	if r.Workload == nil {
		return
	}
	for i := range r.Workload.Containers {
		r.Workload.Containers[i].Effective = r.Workload.Containers[i].Declared
	}
}

func typesUID(uid string) types.UID { return types.UID(uid) }
