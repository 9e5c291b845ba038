package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// These types are written from the reader's view of the JSON, independently of the writer's.
type output struct {
	Objects []object `json:"objects"`
	Errors  []struct {
		Message string `json:"message"`
	} `json:"errors"`
}

type object struct {
	Kind, Namespace, Name, Verdict string
	Source                         struct {
		File string
		Line int
	}
	Findings []struct {
		Policy, Mode, Message, Unknown string
		Guardrails                     []string
	}
	Filled []struct{ Policy, Container, Field, Value string }
}

// policies returns the policies with findings, without duplicates.
func (o *object) policies() []string {
	ids := []string{}
	for _, f := range o.Findings {
		if !slices.Contains(ids, f.Policy) {
			ids = append(ids, f.Policy)
		}
	}
	slices.Sort(ids)
	return ids
}

func checkJSON(t *testing.T, stdin string, args ...string) (int, output) {
	t.Helper()
	exit, stdout, stderr := execute(strings.NewReader(stdin), append([]string{"check", "-o", "json"}, args...)...)
	var o output
	if err := json.Unmarshal([]byte(stdout), &o); err != nil {
		t.Fatalf("%v\n%s\n%s", err, stdout, stderr)
	}
	if strings.Contains(stdout, ": null") {
		t.Errorf("the JSON has a null in it:\n%s", stdout)
	}
	if strings.Contains(stdout+stderr, secretValue) {
		t.Errorf("a secret value is printed:\n%s%s", stdout, stderr)
	}
	return exit, o
}

// The findings in the chapter's own manifests.
func TestChapter(t *testing.T) {
	manifests := chapterManifests(t)
	t.Chdir(t.TempDir())
	writeFiles(t, "chapter", manifests)
	exit, o := checkJSON(t, "", "-n", "eks-work", "chapter")
	if exit != exitViolations || len(o.Errors) > 0 {
		t.Fatalf("exit code %d, errors %v", exit, o.Errors)
	}
	tests := []struct {
		file, verdict string
		policies      []string
	}{
		{"01_nginx_deployment_k8s.yaml", "deny", []string{"image-tag", "require-prestop", "require-probes"}},
		{"02_nginx_deployment_cpu200_k8s.yaml", "deny", []string{"image-tag", "require-prestop", "require-probes"}},
		{"02_nginx_k8s.yaml", "deny", []string{"image-tag", "no-bare-pod", "require-prestop", "require-probes"}},
		{"20_create_namespace_k8s.yaml", "allow", []string{"namespace-limits"}},
		{"21_db_config_k8s.yaml", "deny", []string{"plaintext-secret"}},
		{"22_deployment_backend-app_k8s.yaml", "allow", []string{}},
		{"23_service_backend-app_k8s.yaml", "warn", []string{"loadbalancer-exposure"}},
		{"41_config_map_batch_k8s.yaml", "allow", []string{}},
		{"43_cronjob_k8s.yaml", "warn", []string{"app-label", "cronjob-concurrency"}},
	}
	if len(o.Objects) != len(tests) {
		t.Fatalf("%d objects, want %d", len(o.Objects), len(tests))
	}
	for i, test := range tests {
		got := o.Objects[i]
		if got.Source.File != "chapter/"+test.file || got.Source.Line != 1 || got.Verdict != test.verdict {
			t.Errorf("%s:%d: %s, want %s: %s", got.Source.File, got.Source.Line, got.Verdict, test.file, test.verdict)
		}
		if diff := cmp.Diff(test.policies, got.policies()); diff != "" {
			t.Errorf("%s: policies (-want +got):\n%s", test.file, diff)
		}
	}
	var fields []string
	for _, fill := range o.Objects[8].Filled {
		if fill.Policy != "inject-resources" || fill.Container != "batch-app" {
			t.Errorf("43_cronjob: filled by %v", fill)
		}
		fields = append(fields, fill.Field)
	}
	if !slices.Contains(fields, "resources.requests.cpu") || !slices.Contains(fields, "resources.requests.memory") {
		t.Errorf("43_cronjob: filled %v", fields)
	}
}

// A Service is decided by the labels of its namespace in the input, in either order.
func TestServiceByNamespace(t *testing.T) {
	service := chapterManifests(t)["23_service_backend-app_k8s.yaml"]
	namespace := func(labels string) string {
		return "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: " + labels + "}\n"
	}
	tests := []struct {
		name, input string
		exit        int
		verdict     string
	}{
		{"restricted", namespace("{taffrail.dev/exposure: restricted}") + "---\n" + service, exitViolations, "deny"},
		{"restricted, said afterward", service + "---\n" + namespace("{taffrail.dev/exposure: restricted}"), exitViolations, "deny"},
		{"open", namespace("{taffrail.dev/exposure: open}") + "---\n" + service, exitClean, "warn"},
		{"not part of the input", service, exitClean, "unknown"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			exit, o := checkJSON(t, test.input, "-n", "shop")
			at := slices.IndexFunc(o.Objects, func(o object) bool { return o.Kind == "Service" })
			if exit != test.exit || o.Objects[at].Verdict != test.verdict || o.Objects[at].Namespace != "shop" {
				t.Errorf("exit code %d, %+v", exit, o.Objects[at])
			}
		})
	}
}

func TestFailOn(t *testing.T) {
	service := chapterManifests(t)["23_service_backend-app_k8s.yaml"]
	pod := chapterManifests(t)["02_nginx_k8s.yaml"]
	tests := []struct {
		name, input string
		args        []string
		exit        int
	}{
		{"unknown passes", service, nil, exitClean},
		{"unless it may not", service, []string{"--fail-on", "unknown"}, exitViolations},
		{"warn is milder than unknown", service, []string{"--fail-on=warn"}, exitViolations},
		{"denied", pod, nil, exitViolations},
		{"under a ceiling it only warns", pod, []string{"--max-mode", "warn"}, exitClean},
		{"and warnings may count", pod, []string{"--max-mode", "warn", "--fail-on", "warn"}, exitViolations},
		{"under audit it says nothing", pod, []string{"--max-mode", "audit", "--fail-on", "warn"}, exitClean},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if exit, o := checkJSON(t, test.input, test.args...); exit != test.exit {
				t.Errorf("exit code %d, want %d: %+v", exit, test.exit, o)
			}
		})
	}
}
