package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/rego"
)

// policyFlags select among the policies that Guardrails bind.
type policyFlags struct {
	only, skip []string
}

var errNoPolicyLeft = errors.New("no policies are left: --skip removes all that --policy and the Guardrails select")

func (f *policyFlags) add(command *cobra.Command) {
	command.Flags().StringSliceVar(&f.only, "policy", nil, "use only this policy (repeatable)")
	command.Flags().StringSliceVar(&f.skip, "skip", nil, "do not use this policy (repeatable)")
	for _, name := range []string{"policy", "skip"} {
		// It fails only if the flag does not exist or has a completion already.
		_ = command.RegisterFlagCompletionFunc(name, completePolicies)
	}
}

func completePolicies(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	catalog, err := library()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return config.IDs(catalog), cobra.ShellCompDirectiveNoFileComp
}

// selects reports whether the flags select a policy.
func (f *policyFlags) selects(id string) bool {
	return (len(f.only) == 0 || slices.Contains(f.only, id)) && !slices.Contains(f.skip, id)
}

// choose removes the bindings of policies that are not selected. A selected policy that no
// Guardrail binds is an error: it would not be evaluated, which must not look like a clean
// result.
func (f *policyFlags) choose(objects *config.Objects, own *rego.Catalog) error {
	if len(f.only)+len(f.skip) == 0 {
		return nil
	}
	catalog := config.ResolvePolicies(objects.Policies, own).Catalog
	for _, id := range slices.Concat(f.only, f.skip) {
		if _, found := catalog.Policy(id); !found {
			return &usageError{unknownPolicy(id, catalog)}
		}
	}
	bound := map[string]bool{}
	var guardrails []v1alpha1.Guardrail
	for _, guardrail := range objects.Guardrails {
		var left []v1alpha1.PolicyBinding
		for _, binding := range guardrail.Spec.Policies {
			bound[binding.Name] = true
			if f.selects(binding.Name) {
				left = append(left, binding)
			}
		}
		if guardrail.Spec.Policies = left; len(left) > 0 {
			guardrails = append(guardrails, guardrail)
		}
	}
	for _, id := range f.only {
		if !bound[id] {
			return &usageError{fmt.Errorf("no Guardrail binds policy %s, so it has no effect", id)}
		}
	}
	if len(guardrails) == 0 {
		return &usageError{errNoPolicyLeft}
	}
	objects.Guardrails = guardrails
	return nil
}
