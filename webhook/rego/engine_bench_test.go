package rego_test

import (
	"fmt"
	"maps"
	"os"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/request"
)

// chapterDeployment is the Deployment of the chapter that breaks none of its practices.
func chapterDeployment(tb testing.TB) map[string]any {
	tb.Helper()
	text, err := os.ReadFile("../../test/testdata/chapter/22_deployment_backend-app_k8s.yaml.template")
	if err != nil {
		tb.Fatal(err)
	}
	expanded := os.Expand(string(text), func(string) string { return "123456789012.dkr.ecr.ap-northeast-2.amazonaws.com" })
	asJSON, err := yaml.YAMLToJSON([]byte(expanded))
	if err != nil {
		tb.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(asJSON, &object); err != nil { // with whole numbers as int64, as requests have them
		tb.Fatal(err)
	}
	return object
}

// podOfMany is a Pod of containers like those of a Deployment.
func podOfMany(deployment map[string]any, containers int) map[string]any {
	spec := maps.Clone(deployment["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any))
	all := make([]any, containers)
	for i := range all {
		container := maps.Clone(spec["containers"].([]any)[0].(map[string]any))
		container["name"] = fmt.Sprintf("app-%d", i)
		all[i] = container
	}
	spec["containers"] = all
	return map[string]any{
		"apiVersion": "v1", "kind": "Pod", "spec": spec,
		"metadata": map[string]any{
			"name": "backend-app", "namespace": "eks-work", "labels": map[string]any{"app": "backend-app"},
			"ownerReferences": []any{map[string]any{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "backend-app-5d8f", "uid": "0c6d", "controller": true}},
		},
	}
}

func admitted(tb testing.TB, object map[string]any) *decision.Request {
	tb.Helper()
	r, err := request.Manifest(object, "eks-work")
	if err != nil {
		tb.Fatal(err)
	}
	r.Origin, r.User = decision.OriginValidating, decision.User{Name: "alice", Groups: []string{"developers"}}
	for i := range r.Workload.Containers {
		r.Workload.Containers[i].Effective = r.Workload.Containers[i].Declared
	}
	return r
}

// wholeLibrary is a program of all policies under their default parameters.
func wholeLibrary(tb testing.TB) (program *rego.Program, instances []int) {
	tb.Helper()
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		tb.Fatal(err)
	}
	var bound []rego.Instance
	for i, policy := range catalog.Policies() {
		parameters, errs := policy.CheckParameters(nil, nil)
		if len(errs) > 0 {
			tb.Fatal(errs.ToAggregate())
		}
		bound, instances = append(bound, rego.Instance{Policy: policy.ID, Parameters: parameters}), append(instances, i)
	}
	if program, err = rego.Compile(catalog, bound); err != nil {
		tb.Fatal(err)
	}
	return program, instances
}

// BenchmarkEngines evaluates all policies. The ratio is that of both engines in turn, so that it depends little on what
// else the machine does: the compiled engine is to take at most 1/18 of topdown's time.
func BenchmarkEngines(b *testing.B) {
	program, instances := wholeLibrary(b)
	topdown := program.WithEngine(rego.EngineTopdown)
	deployment := chapterDeployment(b)
	for name, object := range map[string]map[string]any{"Deployment": deployment, "Pod20": podOfMany(deployment, 20)} {
		r := admitted(b, object)
		evaluate := func(p *rego.Program) {
			results, err := p.Evaluate(b.Context(), r, instances, rego.Both)
			if err != nil {
				b.Fatal(err)
			}
			for _, result := range results {
				if result.Err != nil || len(result.Violations)+len(result.Intents) > 0 {
					b.Fatalf("%+v", result)
				}
			}
		}
		for engine, p := range map[string]*rego.Program{"topdown": topdown, "compiled": program} {
			b.Run(name+"/"+engine, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					evaluate(p)
				}
			})
		}
		b.Run(name+"/ratio", func(b *testing.B) {
			const times = 20
			var slow, fast time.Duration
			evaluate(topdown) // compiles what is evaluated, when it is first
			evaluate(program)
			for b.Loop() {
				began := processorTime(b)
				evaluate(topdown)
				slow += processorTime(b) - began
				began = processorTime(b)
				for range times {
					evaluate(program)
				}
				fast += processorTime(b) - began
			}
			b.ReportMetric(float64(slow.Microseconds())/float64(b.N), "µs/topdown")
			b.ReportMetric(float64(fast.Microseconds())/float64(b.N*times), "µs/compiled")
			b.ReportMetric(float64(slow)*times/float64(fast), "times-faster")
		})
	}
}

// processorTime is what the process has used of the processors.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
