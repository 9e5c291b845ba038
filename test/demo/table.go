package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// row is one line of the table.
type row struct {
	file, object, namespace string
	outcome
}

// printf ignores errors: there is nowhere else to report them.
func printf(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

func printTable(out io.Writer, rows []row) {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	printf(table, "OBJECT\tNAMESPACE\tOUTCOME\n")
	files := map[string]string{}
	for _, r := range rows {
		object := r.object
		// The chapter has two Deployments of the same name.
		if file, known := files[object]; !known {
			files[object] = r.file
		} else if file != r.file {
			object += " (" + strings.TrimSuffix(r.file, "_k8s.yaml") + ")"
		}
		printf(table, "%s\t%s\t%s\n", object, r.namespace, r.outcome)
	}
	_ = table.Flush()
	printf(out, `
eks-work        as every namespace: the built-in Guardrails, enforced
eks-restricted  opted in to one more by the label taffrail.dev/exposure: restricted; all else is as in eks-work
eks-warn        the same Guardrails, asked of a Taffrail that runs with --max-mode=warn
eks-observe     the same again with --max-mode=audit: a dry run that is seen in the audit log only
`)
}

// expectation is the outcome that the practices of the chapter require.
type expectation struct {
	verdict  verdict
	policies []string
}

// expected has the expectations by file and namespace; "" applies to all namespaces that are not listed.
// Additional policies may have findings.
var expected = map[string]map[string]expectation{
	"20_create_namespace_k8s.yaml":        {"": {admitted, nil}},
	"01_nginx_deployment_k8s.yaml":        inModes("image-tag", "require-probes", "require-prestop"),
	"02_nginx_deployment_cpu200_k8s.yaml": inModes("image-tag", "require-probes", "require-prestop"),
	"02_nginx_k8s.yaml":                   inModes("image-tag", "require-probes", "require-prestop"),
	"21_db_config_k8s.yaml":               inModes("plaintext-secret"),
	"22_deployment_backend-app_k8s.yaml":  {"": {admitted, nil}},
	"23_service_backend-app_k8s.yaml": {
		"": {warned, []string{"loadbalancer-exposure"}}, observed: {recorded, []string{"loadbalancer-exposure"}},
		opted: {denied, []string{"restricted-service-type"}},
	},
	"41_config_map_batch_k8s.yaml": {"": {admitted, nil}},
	// The resources are missing, and will be filled in. There is a finding only where nothing may be patched.
	"43_cronjob_k8s.yaml": {
		"":       {warned, []string{"app-label", "cronjob-concurrency"}},
		told:     {warned, []string{"app-label", "cronjob-concurrency", "require-resources"}},
		observed: {recorded, []string{"app-label", "cronjob-concurrency", "require-resources"}},
	},
	"create job --from": {
		"":       {warned, []string{"app-label"}},
		told:     {warned, []string{"app-label", "require-resources"}},
		observed: {recorded, []string{"app-label", "require-resources"}},
	},
	"job-controller": {"": {patched, nil}, told: {admitted, nil}, observed: {admitted, nil}},
}

// inModes expects a violation to be denied, warned about and recorded, depending on the mode.
func inModes(policies ...string) map[string]expectation {
	return map[string]expectation{"": {denied, policies}, told: {warned, policies}, observed: {recorded, policies}}
}

// unexpected returns the rows that differ from the expectation, and those that are missing.
func unexpected(rows []row) error {
	var errs []error
	seen := map[string]bool{}
	for _, r := range rows {
		seen[r.file] = true
		want, ok := expected[r.file][r.namespace]
		if !ok {
			want, ok = expected[r.file][""]
		}
		if !ok {
			errs = append(errs, fmt.Errorf("%s: nothing is expected of it: add it to test/demo", r.file))
			continue
		}
		var said []string
		for _, policies := range r.policies {
			said = append(said, policies...)
		}
		for _, policy := range want.policies {
			if !slices.Contains(said, policy) {
				errs = append(errs, fmt.Errorf("%s in %s: %s has nothing to say", r.object, r.namespace, policy))
			}
		}
		if r.verdict != want.verdict {
			errs = append(errs, fmt.Errorf("%s in %s: expected %q, got %q", r.object, r.namespace, want.verdict, r.outcome))
		}
	}
	for file := range expected {
		if !seen[file] {
			errs = append(errs, fmt.Errorf("%s was not applied", file))
		}
	}
	return errors.Join(errs...)
}
