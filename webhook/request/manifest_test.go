package request_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	var object map[string]any
	if err := yaml.Unmarshal([]byte(text), &object); err != nil {
		t.Fatal(err)
	}
	return integers(object).(map[string]any)
}

// integers converts numbers as Taffrail's readers do.
func integers(value any) any {
	switch value := value.(type) {
	case float64:
		if float64(int64(value)) == value {
			return int64(value)
		}
	case map[string]any:
		for name, member := range value {
			value[name] = integers(member)
		}
	case []any:
		for i, element := range value {
			value[i] = integers(element)
		}
	}
	return value
}

func manifest(t *testing.T, text string) *decision.Request {
	t.Helper()
	object := parse(t, text)
	before := runtime.DeepCopyJSON(object)
	r, err := request.Manifest(object, "fallback")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, r.Original); diff != "" {
		t.Errorf("the manifest itself was changed:\n%s", diff)
	}
	return r
}

func TestManifestDefaults(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		path []any
		want any
	}{
		"replicas":         {"{apiVersion: apps/v1, kind: Deployment, spec: {}}", []any{"spec", "replicas"}, int64(1)},
		"null replicas":    {"{apiVersion: apps/v1, kind: Deployment, spec: {replicas: null}}", []any{"spec", "replicas"}, int64(1)},
		"zero replicas":    {"{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 0}}", []any{"spec", "replicas"}, int64(0)},
		"history":          {"{apiVersion: apps/v1, kind: StatefulSet, spec: {}}", []any{"spec", "revisionHistoryLimit"}, int64(10)},
		"strategy":         {"{apiVersion: apps/v1, kind: Deployment, spec: {}}", []any{"spec", "strategy", "rollingUpdate", "maxUnavailable"}, "25%"},
		"recreate":         {"{apiVersion: apps/v1, kind: Deployment, spec: {strategy: {type: Recreate}}}", []any{"spec", "strategy", "rollingUpdate"}, nil},
		"concurrency":      {"{apiVersion: batch/v1, kind: CronJob, spec: {}}", []any{"spec", "concurrencyPolicy"}, "Allow"},
		"back-off":         {"{apiVersion: batch/v1, kind: Job, spec: {}}", []any{"spec", "backoffLimit"}, int64(6)},
		"per index":        {"{apiVersion: batch/v1, kind: Job, spec: {backoffLimitPerIndex: 1}}", []any{"spec", "backoffLimit"}, int64(2147483647)},
		"work queue":       {"{apiVersion: batch/v1, kind: Job, spec: {parallelism: 3}}", []any{"spec", "completions"}, nil},
		"service type":     {"{apiVersion: v1, kind: Service, spec: {}}", []any{"spec", "type"}, "ClusterIP"},
		"restart":          {"{apiVersion: v1, kind: Pod, spec: {}}", []any{"spec", "restartPolicy"}, "Always"},
		"grace":            {"{apiVersion: apps/v1, kind: DaemonSet, spec: {template: {spec: {}}}}", []any{"spec", "template", "spec", "terminationGracePeriodSeconds"}, int64(30)},
		"probe timing":     {"{apiVersion: v1, kind: Pod, spec: {containers: [{livenessProbe: {exec: {}}}]}}", []any{"spec", "containers", 0, "livenessProbe", "failureThreshold"}, int64(3)},
		"zero period":      {"{apiVersion: v1, kind: Pod, spec: {containers: [{readinessProbe: {periodSeconds: 0}}]}}", []any{"spec", "containers", 0, "readinessProbe", "periodSeconds"}, int64(10)},
		"own period":       {"{apiVersion: v1, kind: Pod, spec: {containers: [{readinessProbe: {periodSeconds: 5}}]}}", []any{"spec", "containers", 0, "readinessProbe", "periodSeconds"}, int64(5)},
		"request of limit": {"{apiVersion: v1, kind: Pod, spec: {containers: [{resources: {limits: {cpu: 1}}}]}}", []any{"spec", "containers", 0, "resources", "requests", "cpu"}, int64(1)},
		"own request":      {"{apiVersion: v1, kind: Pod, spec: {containers: [{resources: {limits: {cpu: 1}, requests: {cpu: 100m}}}]}}", []any{"spec", "containers", 0, "resources", "requests", "cpu"}, "100m"},
		"template request": {"{apiVersion: apps/v1, kind: Deployment, spec: {template: {spec: {containers: [{resources: {limits: {cpu: 1}}}]}}}}", []any{"spec", "template", "spec", "containers", 0, "resources", "requests"}, nil},
		"string data":      {"{apiVersion: v1, kind: Secret, stringData: {a: hello}, data: {b: Yg==}}", []any{"data", "a"}, "aGVsbG8="},
		"no string data":   {"{apiVersion: v1, kind: Secret, stringData: {a: hello}, data: {b: Yg==}}", []any{"stringData"}, nil},
		"secret type":      {"{apiVersion: v1, kind: Secret}", []any{"type"}, "Opaque"},
		"no spec invented": {"{apiVersion: v1, kind: ConfigMap}", []any{"spec"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var at any = manifest(t, test.text).Object
			for _, step := range test.path {
				switch step := step.(type) {
				case string:
					at = at.(map[string]any)[step]
				case int:
					at = at.([]any)[step]
				}
			}
			if diff := cmp.Diff(test.want, at); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestManifestNamespace(t *testing.T) {
	for text, want := range map[string]string{
		"{apiVersion: v1, kind: ConfigMap}":                                     "fallback",
		"{apiVersion: v1, kind: ConfigMap, metadata: {namespace: own}}":         "own",
		"{apiVersion: v1, kind: Namespace, metadata: {name: x}}":                "",
		"{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole}":         "",
		"{apiVersion: rbac.authorization.k8s.io/v1, kind: Role}":                "fallback",
		"{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition}": "",
		"{apiVersion: example.com/v1, kind: Thing}":                             "fallback",
		"{apiVersion: v1, kind: ConfigMap, metadata: null}":                     "fallback",
	} {
		if got := manifest(t, text).Namespace.Name; got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestManifestErrors(t *testing.T) {
	for text, path := range map[string]string{
		"{apiVersion: v1, kind: Pod, spec: {containers: [{resources: {requests: {cpu: 100 m}}}]}}": "spec.containers[0].resources.requests.cpu",
		"{apiVersion: extensions/v1beta1, kind: Deployment}":                                       "apiVersion",
		"{apiVersion: v2, kind: Pod}":                                                              "apiVersion",
		"{apiVersion: v1, kind: pod}":                                                              "apiVersion",
		"{apiVersion: v1, kind: Secret, data: [a]}":                                                "data",
		"{apiVersion: v1, kind: Secret, stringData: words}":                                        "stringData",
		"{apiVersion: v1, kind: Secret, stringData: {a: {b: c}}}":                                  "stringData[a]",
		"{kind: Pod}":                              "apiVersion",
		"{apiVersion: v1}":                         "kind",
		"{apiVersion: a/b/c, kind: Pod}":           "apiVersion",
		"{apiVersion: v1, kind: Pod, metadata: 7}": "metadata",
		"{apiVersion: apps/v1, kind: Deployment, spec: {template: []}}":                     "spec.template",
		"{apiVersion: batch/v1, kind: CronJob, spec: {jobTemplate: {spec: {template: 1}}}}": "spec.jobTemplate.spec.template",
	} {
		_, err := request.Manifest(parse(t, text), "")
		var bad *request.FieldError
		if !errors.As(err, &bad) || bad.Path != path {
			t.Errorf("%s: got %v, want an error at %s", text, err, path)
		}
	}
	deep := map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}
	for range 5000 {
		deep = map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "x": deep}
	}
	var limit *request.LimitError
	if _, err := request.Manifest(deep, ""); !errors.As(err, &limit) || limit.What != "depth" {
		t.Errorf("got %v", err)
	}
}

func TestContainersOfEveryKind(t *testing.T) {
	const spec = "{restartPolicy: Always, containers: [{name: a, image: nginx}], initContainers: [{name: i}, {name: s, restartPolicy: Always}], ephemeralContainers: [{name: e}]}"
	for text, want := range map[string]struct {
		path        string
		longRunning bool
	}{
		"{apiVersion: v1, kind: Pod, spec: " + spec + "}":                                                      {"", true},
		"{apiVersion: v1, kind: ReplicationController, spec: {template: {spec: " + spec + "}}}":                {"spec.template", true},
		"{apiVersion: apps/v1, kind: Deployment, spec: {template: {spec: " + spec + "}}}":                      {"spec.template", true},
		"{apiVersion: apps/v1, kind: StatefulSet, spec: {template: {spec: " + spec + "}}}":                     {"spec.template", true},
		"{apiVersion: apps/v1, kind: DaemonSet, spec: {template: {spec: " + spec + "}}}":                       {"spec.template", true},
		"{apiVersion: apps/v1, kind: ReplicaSet, spec: {template: {spec: " + spec + "}}}":                      {"spec.template", true},
		"{apiVersion: batch/v1, kind: Job, spec: {template: {spec: " + spec + "}}}":                            {"spec.template", false},
		"{apiVersion: batch/v1, kind: CronJob, spec: {jobTemplate: {spec: {template: {spec: " + spec + "}}}}}": {"spec.jobTemplate.spec.template", false},
	} {
		w := manifest(t, text).Workload
		if w == nil || w.PodPath != want.path || w.LongRunning != want.longRunning || w.Template != (want.path != "") {
			t.Errorf("%s: got %+v", text, w)
			continue
		}
		var types []decision.ContainerType
		for _, c := range w.Containers {
			types = append(types, c.Type)
		}
		all := []decision.ContainerType{decision.ContainerApp, decision.ContainerInit, decision.ContainerSidecar, decision.ContainerEphemeral}
		if diff := cmp.Diff(all, types); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	if manifest(t, "{apiVersion: v1, kind: Service}").Workload != nil {
		t.Error("a Service carries no Pods")
	}
	if w := manifest(t, "{apiVersion: v1, kind: Pod, spec: {restartPolicy: Never, containers: [{name: a, restartPolicy: Always}]}}").Workload; !w.LongRunning || w.Containers[0].Type != decision.ContainerApp {
		t.Errorf("a container that always restarts runs long, in a Pod that does not, and is no sidecar: %+v", w)
	}
	if manifest(t, "{apiVersion: serving.example.dev/v1, kind: Service}").Workload != nil {
		t.Error("a custom resource that shares a name is none of ours")
	}
	if w := manifest(t, "{apiVersion: v1, kind: Pod, spec: {restartPolicy: Never}}").Workload; w.LongRunning {
		t.Error("a Pod that is never restarted does not run long")
	}
}

func TestImages(t *testing.T) {
	const emptyDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for text, want := range map[string]decision.Image{
		"nginx":                               {Valid: true, Registry: "docker.io", Repository: "library/nginx"},
		"nginx:1.27":                          {Valid: true, Registry: "docker.io", Repository: "library/nginx", Tag: "1.27"},
		"host:5000/app":                       {Valid: true, Registry: "host:5000", Repository: "app"},
		"host:5000/app:LATEST":                {Valid: true, Registry: "host:5000", Repository: "app", Tag: "LATEST"},
		"localhost/app":                       {Valid: true, Registry: "localhost", Repository: "app"},
		"team/app:v1":                         {Valid: true, Registry: "docker.io", Repository: "team/app", Tag: "v1"},
		"":                                    {},
		"Nginx":                               {},
		"nginx:":                              {},
		"nginx@sha256:abc":                    {},
		"ngìnx:1":                             {},
		"a b":                                 {},
		"localhost:5000/app":                  {Valid: true, Registry: "localhost:5000", Repository: "app"},
		"[::1]:5000/app:v1":                   {Valid: true, Registry: "[::1]:5000", Repository: "app", Tag: "v1"},
		"nginx:5000/app":                      {Valid: true, Registry: "nginx:5000", Repository: "app"},
		"nginx:latest.1":                      {Valid: true, Registry: "docker.io", Repository: "library/nginx", Tag: "latest.1"},
		"host:port/app:1":                     {},
		"a:1:2":                               {},
		":1":                                  {},
		"@":                                   {},
		"nginx:1@":                            {},
		"nginx：1":                             {},
		"nginx:１":                             {},
		"nginx:1\u200b":                       {},
		"https://a.b/c:1":                     {},
		"nginx:" + strings.Repeat("x", 129):   {},
		strings.Repeat("0123456789abcdef", 4): {},
		strings.Repeat("a/", 200) + "a:1":     {},
		"host:5000/app@" + emptyDigest:        {Valid: true, Registry: "host:5000", Repository: "app", Digest: emptyDigest},
		"nginx:1@" + emptyDigest:              {Valid: true, Registry: "docker.io", Repository: "library/nginx", Tag: "1", Digest: emptyDigest},
	} {
		want.Reference = text
		r := manifest(t, "{apiVersion: v1, kind: Pod, spec: {containers: [{name: a, image: '"+text+"'}]}}")
		if diff := cmp.Diff(want, r.Workload.Containers[0].Image); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestDeclaredResources(t *testing.T) {
	r := manifest(t, "{apiVersion: apps/v1, kind: Deployment, spec: {template: {spec: {resources: {limits: {cpu: 2}}, containers: ["+
		"{name: a, resources: {requests: {cpu: 0.5, memory: 1Gi}, limits: {memory: null}}}]}}}}")
	c := r.Workload.Containers[0]
	if c.Declared.Requests.Cpu().MilliValue() != 500 || c.Declared.Requests.Memory().Value() != 1<<30 {
		t.Errorf("got %v", c.Declared.Requests)
	}
	if _, set := c.Declared.Limits[corev1.ResourceCPU]; set || len(c.Declared.Limits) > 0 {
		t.Errorf("got %v", c.Declared.Limits)
	}
	if r.Workload.PodResources == nil || r.Workload.PodResources.Limits.Cpu().Value() != 2 {
		t.Errorf("got %v", r.Workload.PodResources)
	}
}
