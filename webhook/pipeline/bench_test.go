package pipeline_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/request"
)

type bare struct{}

func (bare) Namespace(_ context.Context, name string) (decision.Namespace, error) {
	return decision.Namespace{Name: name, Known: true}, nil
}

func (bare) Facts(context.Context, string, []decision.Fact) (decision.Facts, error) {
	return decision.Facts{}, nil
}

// BenchmarkDecide decides clean Pods of 1 and of 20 containers under the built-in
// default.
func BenchmarkDecide(b *testing.B) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		b.Fatal(err)
	}
	snapshot, _, err := config.Build(b.Context(), catalog, config.Objects{Guardrails: config.Default(catalog)})
	if err != nil {
		b.Fatal(err)
	}
	const container = `{"name":"NAME","image":"registry.example/app:1.0.0","ports":[{"containerPort":8080,"protocol":"TCP"}],` +
		`"env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}],` +
		`"readinessProbe":{"httpGet":{"path":"/","port":8080},"periodSeconds":10},"livenessProbe":{"httpGet":{"path":"/","port":8080},"periodSeconds":10},` +
		`"lifecycle":{"preStop":{"exec":{"command":["/bin/sh","-c","sleep 2"]}}},` +
		`"resources":{"requests":{"cpu":"100m","memory":"128Mi"},"limits":{"cpu":"100m","memory":"128Mi"}}}`
	for _, count := range []int{1, 20} {
		var containers []string
		for i := range count {
			containers = append(containers, strings.Replace(container, "NAME", fmt.Sprintf("app-%d", i), 1))
		}
		body := `{"request":{"uid":"u","kind":{"group":"","version":"v1","kind":"Pod"},"namespace":"shop","operation":"CREATE","userInfo":{"username":"alice"},` +
			`"object":{"metadata":{"name":"web","labels":{"app":"web"},"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"u-1","controller":true}]},"spec":{"restartPolicy":"Always","containers":[` + strings.Join(containers, ",") + `]}}}}`
		r, err := request.Review([]byte(body), decision.OriginValidating)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("containers=%d", count), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d, err := pipeline.New(snapshot, bare{}, pipeline.Options{}).Decide(b.Context(), r)
				if err != nil || d.Verdict != decision.VerdictAllow {
					b.Fatal(d, err)
				}
			}
		})
	}
}
