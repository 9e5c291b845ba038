package configcheck

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/request"
)

// trial warns about a Policy that fails on a plain object of one of its kinds: bound under
// failurePolicy Fail, it would refuse every object.
func trial(ctx context.Context, catalog *rego.Catalog, policy *rego.Policy, budget rego.Budget) (warnings []string, err error) {
	parameters, errs := policy.CheckParameters(nil, nil)
	if len(errs) > 0 {
		return nil, nil // no defaults to evaluate it with
	}
	program, err := rego.Compile(catalog, []rego.Instance{{Policy: policy.ID, Parameters: parameters, Budget: budget}})
	if err != nil {
		return nil, fmt.Errorf("compiling Policy %s: %w", policy.ID, err)
	}
	for _, kind := range policy.Kinds {
		r, err := request.Manifest(exampleOf(kind), "example")
		if err != nil {
			continue // no plain object is known for this kind
		}
		r.Namespace.Known = true
		pipeline.Enrich(r)
		results, err := program.Evaluate(ctx, r, []int{0}, rego.Both)
		if err != nil {
			return nil, err
		}
		if err := results[0].Err; err != nil {
			warnings = append(warnings, fmt.Sprintf("the Policy cannot decide a plain %s: it %s", kind.Kind, rego.FailureReason(err)))
		}
	}
	return warnings, nil
}

// exampleOf returns an object of a kind that sets only required fields.
func exampleOf(kind schema.GroupKind) map[string]any {
	version := schema.GroupVersion{Group: kind.Group, Version: "v1"}
	object := map[string]any{"apiVersion": version.String(), "kind": kind.Kind, "metadata": map[string]any{"name": "example", "namespace": "example"}}
	pod := map[string]any{"containers": []any{map[string]any{"name": "main", "image": "registry.example/main:1"}}}
	template := map[string]any{"template": map[string]any{"spec": pod}}
	switch kind.String() {
	case "Pod":
		object["spec"] = pod
	case "Deployment.apps", "StatefulSet.apps", "DaemonSet.apps", "ReplicaSet.apps", "ReplicationController", "Job.batch":
		object["spec"] = template
	case "CronJob.batch":
		object["spec"] = map[string]any{"schedule": "0 3 * * *", "jobTemplate": map[string]any{"spec": template}}
	case "Namespace":
		object["metadata"] = map[string]any{"name": "example"}
	}
	return object
}
