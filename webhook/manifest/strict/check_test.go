package strict_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"taffrail.dev/webhook/manifest/strict"
	"taffrail.dev/webhook/yamldoc"
)

const container = "    containers:\n    - name: a\n      image: b\n"

func objectOf(t *testing.T, text string) (map[string]any, schema.GroupVersionKind) {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := kjson.UnmarshalCaseSensitivePreserveInts(asJSON, &object); err != nil {
		t.Fatal(err)
	}
	apiVersion, _ := object["apiVersion"].(string)
	kind, _ := object["kind"].(string)
	return object, schema.FromAPIVersionAndKind(apiVersion, kind)
}

func show(faults []strict.Fault) string {
	var lines []string
	for _, f := range faults {
		what := "error"
		if f.Dropped {
			what = "warning"
		}
		lines = append(lines, what+": "+f.Path+": "+f.Reason)
	}
	return strings.Join(lines, "\n")
}

func TestCheck(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n"
	const cm = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
	tests := []struct{ name, text, want string }{
		{"nothing", pod + container, ""},
		{"what Kubernetes takes", pod + container + "      ports: [{containerPort: 80}]\n      resources: {requests: {cpu: 1, memory: 1.5}, limits: {cpu: '2'}}\n" +
			"      livenessProbe: {httpGet: {port: http}}\n      readinessProbe: {httpGet: {port: 80}}\n      env: null\nstatus: null\n", ""},
		{"a null creationTimestamp", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, creationTimestamp: null}\n", ""},
		{"null in the place of text", cm + "data: {a: null}\n", ""},
		{"containers misspelled", pod + "    container:\n    - {name: a, image: b}\n",
			"warning: spec.container: is not a field that Kubernetes knows, so it has no effect: did you mean containers?\n" +
				"error: spec.containers: is missing or empty: a Pod needs at least one container"},
		{"no containers", pod + "    containers: []\n", "error: spec.containers: is missing or empty: a Pod needs at least one container"},
		{"null containers", pod + "    containers:\n", "error: spec.containers: is missing or empty: a Pod needs at least one container"},
		{"a null spec", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n", "error: spec: is empty: a Deployment needs it"},
		{"a null template of a CronJob", "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec: {schedule: '* * * * *', jobTemplate: {spec: null}}\n",
			"error: spec.jobTemplate.spec: is empty: a CronJob needs it"},
		{"no spec", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n", "error: spec: is missing: a Pod needs it"},
		{"labels and annotations that are no text", "apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: {x: 1, y1: yes}, annotations: {z: [a], q: {}}}\n",
			"error: metadata.annotations[q]: must be a string: it is a map\nerror: metadata.annotations[z]: must be a string: it is a list\n" +
				"error: metadata.labels[x]: must be a string: quote it, or YAML reads it as a number\nerror: metadata.labels[y1]: must be a string: quote it, or YAML reads it as true or false"},
		{"data that are no text", cm + "data: {a: 1000000, b: 1.5, c: true}\n",
			"error: data[a]: must be a string: quote it, or YAML reads it as a number\nerror: data[b]: must be a string: quote it, or YAML reads it as a number\nerror: data[c]: must be a string: quote it, or YAML reads it as true or false"},
		{"the environment", pod + container + "      env: [{name: A, value: 5}, {name: B, value: yes}]\n",
			"error: spec.containers[0].env[0].value: must be a string: quote it, or YAML reads it as a number\nerror: spec.containers[0].env[1].value: must be a string: quote it, or YAML reads it as true or false"},
		{"text for a number", pod + container + "      ports: [{containerPort: '80'}]\n", "error: spec.containers[0].ports[0].containerPort: must be a whole number: remove the quotes"},
		{"a fraction for a whole number", "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: a}\nspec: {replicas: 1.5, template: {spec: {containers: [{name: a}]}}}\n",
			"error: spec.replicas: must be a whole number"},
		{"too large a number", pod + "    priority: 5000000000\n" + container, "error: spec.priority: is a number too large for this field"},
		{"text for true", pod + "    hostNetwork: 'true'\n" + container, "error: spec.hostNetwork: must be true or false: remove the quotes"},
		{"a map for a list", pod + "    containers: {name: a}\n", `error: spec.containers: must be a list: begin each element with "- "`},
		{"a list for a map", "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {selector: [a]}\n", "error: spec.selector: must be a map"},
		{"text for fields", "apiVersion: v1\nkind: Service\nmetadata: text\n", "error: metadata: must be a map of fields"},
		{"a quantity", pod + container + "      resources: {requests: {memory: 128mi, cpu: 1 core}, limits: {memory: 1GB}}\n",
			"error: spec.containers[0].resources.limits[memory]: is not a quantity, such as 100m or 128Mi: did you mean 1G?\n" +
				"error: spec.containers[0].resources.requests[cpu]: is not a quantity, such as 100m or 128Mi\n" +
				"error: spec.containers[0].resources.requests[memory]: is not a quantity, such as 100m or 128Mi: did you mean 128Mi?"},
		{"a quantity that would take minutes", pod + container + "      resources: {limits: {cpu: '1e-100000000'}}\n",
			"error: spec.containers[0].resources.limits[cpu]: has an exponent with more digits than any quantity needs"},
		{"a port", pod + container + "      livenessProbe: {httpGet: {port: true}}\n", "error: spec.containers[0].livenessProbe.httpGet.port: must be a whole number or a string"},
		{"a time", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, creationTimestamp: yesterday}\n", "error: metadata.creationTimestamp: is not a time, such as 2026-01-31T12:00:00Z"},
		{"text that is not base64", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {p: 'not base64', q: aGk=}\n",
			"warning: data[p]: is not base64: the API server rejects it unless a tool replaces it first; plain text belongs in stringData of a Secret, or data of a ConfigMap"},
		{"a field under another", pod + container + "      imagePullPolicyy: Always\n    zone: x\n",
			"warning: spec.containers[0].imagePullPolicyy: is not a field that Kubernetes knows, so it has no effect: did you mean imagePullPolicy?\n" +
				"warning: spec.zone: is not a field that Kubernetes knows, so it has no effect"},
		{"names that differ only in case", pod + "    hostnetwork: true\n" + container, "warning: spec.hostnetwork: is not a field that Kubernetes knows, so it has no effect: did you mean hostNetwork?"},
		{"the metadata of a tool", "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: {name: a, region: b, lables: {}}\n",
			"warning: metadata.lables: is not a field that Kubernetes knows, so it has no effect: did you mean labels?"},
		{"the metadata of a custom resource", "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a, labels: {x: 1}}\nspec: {anything: [1, {}]}\n",
			"error: metadata.labels[x]: must be a string: quote it, or YAML reads it as a number"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			object, kind := objectOf(t, test.text)
			if diff := cmp.Diff(test.want, show((&strict.Checker{}).Check(object, kind))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPlaceholder(t *testing.T) {
	for text, want := range map[string]bool{
		"${REPLICAS}": true, "$(REPLICAS)": true, "{{ .Values.x }}": true, "<replicas>": true, "__REPLICAS__": true, "@REPLICAS@": true, "$REPLICAS": true,
		"two": false, "2": false, "$": false, "a@b": false,
	} {
		object, kind := objectOf(t, "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {healthCheckNodePort: '"+text+"'}\n")
		faults := (&strict.Checker{}).Check(object, kind)
		if len(faults) != 1 || faults[0].Placeholder != want {
			t.Errorf("%q: got %+v, want %t", text, faults, want)
		}
	}
}

func TestMisspelled(t *testing.T) {
	for written, want := range map[string]string{
		"v1/Pod": "", "apps/v1/Deployment": "", "example.com/v1/Deployment": "", "argoproj.io/v1alpha1/Rollout": "", "policy/v1beta1/PodSecurityPolicy": "",
		"resource.k8s.io/v1alpha2/ResourceClass": "", "networking.k8s.io/v1alpha1/ClusterCIDR": "", "scheduling.k8s.io/v9/Quux": "",
		"apps/v1/deployments":             "kind: no version of Kubernetes has apps/v1/deployments: did you mean Deployment?",
		"apps/v1/deployment":              "kind: no version of Kubernetes has apps/v1/deployment: did you mean Deployment?",
		"v1/Services":                     "kind: no version of Kubernetes has v1/Services: did you mean Service?",
		"v1/Configmap":                    "kind: no version of Kubernetes has v1/Configmap: did you mean ConfigMap?",
		"batch/v1/Cronjob":                "kind: no version of Kubernetes has batch/v1/Cronjob: did you mean CronJob?",
		"networking.k8s.io/v1/ingress":    "kind: no version of Kubernetes has networking.k8s.io/v1/ingress: did you mean Ingress?",
		"networking.k8s.io/v1/ingresses":  "kind: no version of Kubernetes has networking.k8s.io/v1/ingresses: did you mean Ingress?",
		"v1/Deployment":                   "apiVersion: no version of Kubernetes has v1/Deployment: write apiVersion: apps/v1",
		"app/v1/Deployment":               "apiVersion: no version of Kubernetes has app/v1/Deployment: write apiVersion: apps/v1",
		"v1/Ingress":                      "apiVersion: no version of Kubernetes has v1/Ingress: write apiVersion: networking.k8s.io/v1",
		"apps/v1/HorizontalPodAutoscaler": "apiVersion: no version of Kubernetes has apps/v1/HorizontalPodAutoscaler: write apiVersion: autoscaling/v2",
		"apps/v1/Quux":                    "kind: no version of Kubernetes has apps/v1/Quux",
	} {
		slash := strings.LastIndexByte(written, '/')
		field, got := strict.Misspelled(schema.FromAPIVersionAndKind(written[:slash], written[slash+1:]))
		if field != "" {
			got = field + ": " + got
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", written, got, want)
		}
	}
}

// The API server's own decoder agrees about every value in every field.
func TestAsTheDecoder(t *testing.T) {
	files, err := filepath.Glob("../../../test/testdata/charts/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no manifests", err)
	}
	replacements := []any{nil, "text", "1", "aGk=", int64(1), int64(-1), int64(1) << 40, 1.5, true, []any{}, map[string]any{}, []any{"a"}, map[string]any{"zz": "a"}}
	checker, seen, compared := &strict.Checker{}, map[string]bool{}, 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, chunk := range yamldoc.Split(data) {
			doc, err := yamldoc.Parse(chunk)
			if err != nil {
				t.Fatal(err)
			}
			object, _ := doc.Value.(map[string]any)
			apiVersion, _ := object["apiVersion"].(string)
			kind, _ := object["kind"].(string)
			gvk := schema.FromAPIVersionAndKind(apiVersion, kind)
			if !strict.Known(gvk) {
				continue
			}
			compare(t, checker, object, gvk)
			for path, set := range places(object, gvk.Kind) {
				if seen[path] {
					continue
				}
				seen[path] = true
				for _, value := range replacements {
					restore := set(value)
					compare(t, checker, object, gvk)
					restore()
					compared++
				}
			}
		}
	}
	if compared < 5000 {
		t.Errorf("only %d comparisons", compared)
	}
}

// places returns, for each path into a value without indices, a function that replaces the value there and
// returns one that undoes it.
func places(value any, path string) map[string]func(any) func() {
	all := map[string]func(any) func(){}
	switch value := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			at := path + "." + name
			all[at] = func(other any) func() {
				had := value[name]
				value[name] = other
				return func() { value[name] = had }
			}
			maps.Copy(all, places(value[name], at))
		}
		if path != "" {
			all[path+".zzz"] = func(other any) func() {
				value["zzz"] = other
				return func() { delete(value, "zzz") }
			}
		}
	case []any:
		for _, element := range value {
			maps.Copy(all, places(element, path+"[]"))
		}
	}
	return all
}

func compare(t *testing.T, checker *strict.Checker, object map[string]any, kind schema.GroupVersionKind) {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	into, err := scheme.Scheme.New(kind)
	if err != nil {
		t.Fatal(err)
	}
	unknown, decodeErr := kjson.UnmarshalStrict(text, into)
	// base64 lists fields of bytes: invalid base64 is a warning, and a list of numbers, which the decoder
	// accepts and nobody writes, is refused.
	var refused, dropped, base64 []string
	for _, f := range checker.Check(object, kind) {
		switch {
		case strings.Contains(f.Reason, "base64"):
			base64 = append(base64, f.Path)
		case strings.Contains(f.Reason, "is missing") || strings.Contains(f.Reason, "is empty"):
		case f.Dropped:
			dropped = append(dropped, f.Path)
		default:
			refused = append(refused, f.Path)
		}
	}
	if decodeErr == nil && (len(refused) > 0 || len(unknown) != len(dropped)) || decodeErr != nil && len(refused)+len(base64) == 0 {
		t.Errorf("%s: refused %q, dropped %q, but the decoder: %v, %v\n%s", kind.Kind, refused, dropped, decodeErr, unknown, shortened(text))
	}
}

func shortened(text []byte) string { return fmt.Sprintf("%.600s", text) }
