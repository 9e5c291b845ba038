package manifest

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sorts returns the sort of each item: "object" for an object, and "error" for what was meant to be one.
func sorts(items []Item) (all []string) {
	for _, item := range items {
		reason, isNone := errors.AsType[*NotObjectError](item.Err)
		switch {
		case item.Err == nil:
			all = append(all, "object")
		case isNone:
			all = append(all, string(reason.Category))
		default:
			all = append(all, "error")
		}
	}
	return all
}

func TestSorts(t *testing.T) {
	const meta = "metadata: {name: a}\n"
	const pod = "template: {spec: {containers: [{name: a, image: b}]}}"
	tests := []struct {
		name, file, text string
		want             string
	}{
		{"an object", "f", "apiVersion: v1\nkind: ConfigMap\n" + meta, "object"},
		{"a custom resource", "f", "apiVersion: example.com/v1\nkind: Thing\n" + meta, "object"},
		{"a kind that Kubernetes once had", "f", "apiVersion: policy/v1beta1\nkind: PodSecurityPolicy\n" + meta, "object"},
		{"a kind of a built-in group in another version", "f", "apiVersion: networking.k8s.io/v9\nkind: Ingress\n" + meta, "object"},

		{"a chart", "Chart.yaml", "apiVersion: v2\nname: a\n", string(Chart)},
		{"values", "values.yaml", "a: b\n", string(Chart)},
		{"values for an object", "values.yaml", "kind: StatefulSet\n" + meta, string(Chart)},
		{"provisioning", "f", "apiVersion: 1\ndatasources: []\n", string(Foreign)},
		{"a pipeline", "f", "kind: pipeline\nname: a\n", string(Foreign)},
		{"a JSON patch", "f", "- op: replace\n  path: /spec\n", string(Foreign)},
		{"text that cannot be parsed", "f", "a: [\n", string(Foreign)},
		{"text that cannot be parsed, and claims", "f", "apiVersion: v1\nkind: [\n", "error"},
		{"JSON that cannot be parsed, and claims", "f", `{"apiVersion": "v1", "kind": "Pod"`, "error"},
		{"half an object", "f", "kind: Pod\n" + meta, "error"},
		{"the other half", "f", "apiVersion: v1\n" + meta, "error"},
		{"an element of a List", "f", "apiVersion: v1\nkind: List\nitems: [a]\n", "error"},

		{"a kustomization", "f", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n", string(Kustomization)},
		{"a component", "f", "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n", string(Kustomization)},
		{"a kustomization that does not say so", "d/kustomization.yml", "resources: []\n", string(Kustomization)},
		{"a transformer", "f", "apiVersion: builtin\nkind: PrefixTransformer\n" + meta, string(Kustomization)},

		{"a directive", "f", "apiVersion: v1\nkind: Service\n" + meta + "$patch: delete\n", string(Patch)},
		{"a directive deep inside", "f", "apiVersion: v1\nkind: Service\n" + meta + "spec: {a: [{b: {$retainKeys: [x]}}]}\n", string(Patch)},
		{"a directive for a custom resource", "f", "apiVersion: example.com/v1\nkind: Thing\n" + meta + "$patch: delete\n", string(Patch)},
		{"a custom resource about patches", "f", "apiVersion: example.com/v1\nkind: Thing\n" + meta + "spec: {patches: [{$patch: delete}]}\n", "object"},
		{"a directive in a whole Deployment", "f", "apiVersion: apps/v1\nkind: Deployment\n" + meta + "$patch: merge\nspec: {selector: {}, " + pod + "}\n", "object"},
		{"a directive in a whole CronJob", "f", "apiVersion: batch/v1\nkind: CronJob\n" + meta + "spec: {schedule: '@daily', jobTemplate: {$patch: replace, spec: {" + pod + "}}}\n", "object"},
		{"the directive in a ControllerRevision", "f", "apiVersion: apps/v1\nkind: ControllerRevision\n" + meta + "data: {spec: {template: {$patch: replace, spec: {}}}}\nrevision: 1\n", "object"},
		{"a directive in a whole Pod", "f", "apiVersion: v1\nkind: Pod\n" + meta + "spec: {containers: [{name: a, image: b, $patch: replace}]}\n", "object"},
		{"a directive for a container", "f", "apiVersion: v1\nkind: Pod\n" + meta + "spec: {containers: [{name: a, $patch: delete}]}\n", string(Patch)},
		{"an order of elements", "f", "apiVersion: v1\nkind: Pod\n" + meta + "spec: {$setElementOrder/containers: []}\n", string(Patch)},
		{"elements to delete", "f", "apiVersion: v1\nkind: Service\n" + meta + "metadata2: {$deleteFromPrimitiveList/finalizers: []}\n", string(Patch)},
		{"data that look like a directive", "f", "apiVersion: v1\nkind: ConfigMap\n" + meta + "data: {x: '$patch: delete'}\n", "object"},
		{"a Deployment without spec", "f", "apiVersion: apps/v1\nkind: Deployment\n" + meta, string(Patch)},
		{"a Deployment without selector", "f", "apiVersion: apps/v1\nkind: Deployment\n" + meta + "spec: {" + pod + "}\n", string(Patch)},
		{"a StatefulSet without selector", "f", "apiVersion: apps/v1\nkind: StatefulSet\n" + meta + "spec: {" + pod + "}\n", string(Patch)},
		{"a DaemonSet without selector", "f", "apiVersion: apps/v1\nkind: DaemonSet\n" + meta + "spec: {" + pod + "}\n", string(Patch)},
		{"a ReplicaSet without template", "f", "apiVersion: apps/v1\nkind: ReplicaSet\n" + meta + "spec: {selector: {}}\n", string(Patch)},
		{"a CronJob without schedule", "f", "apiVersion: batch/v1\nkind: CronJob\n" + meta + "spec: {suspend: true}\n", string(Patch)},
		{"a Job without template", "f", "apiVersion: batch/v1\nkind: Job\n" + meta + "spec: {backoffLimit: 1}\n", string(Patch)},
		{"a Job, whose selector is generated", "f", "apiVersion: batch/v1\nkind: Job\n" + meta + "spec: {" + pod + "}\n", "object"},
		{"a ReplicationController, whose selector has a default", "f", "apiVersion: v1\nkind: ReplicationController\n" + meta + "spec: {" + pod + "}\n", "object"},
		{"a null spec is no patch", "f", "apiVersion: apps/v1\nkind: Deployment\n" + meta + "spec:\n", "error"},

		{"a kubeconfig", "f", "apiVersion: v1\nkind: Config\n", string(ToolConfig)},
		{"a configuration without metadata", "f", "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n", string(ToolConfig)},
		{"a group that no API server has", "f", "apiVersion: skaffold/v4beta6\nkind: Config\n" + meta, string(ToolConfig)},
		{"a built-in kind without metadata", "f", "apiVersion: v1\nkind: ConfigMap\n", "object"},

		{"an AdmissionReview", "f", "apiVersion: admission.k8s.io/v1\nkind: AdmissionReview\nrequest: {}\n", string(Message)},
		{"a ConversionReview", "f", "apiVersion: apiextensions.k8s.io/v1\nkind: ConversionReview\nrequest: {}\n", string(Message)},
		{"an error of the API server", "f", `{"apiVersion": "v1", "kind": "Status", "status": "Failure"}`, string(Message)},
		{"a table", "f", `{"apiVersion": "meta.k8s.io/v1", "kind": "Table", "rows": []}`, string(Message)},

		{"a template of Go", "f", "apiVersion: v1\nkind: Pod\n{{ if .x }}\n  a: b\n{{ end }}\n", string(Template)},
		{"a template of a value", "f", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .x }}\n", string(Template)},
		{"a template of Jinja", "f", "apiVersion: v1\nkind: Pod\n{% if x %}\n  a: b\n{% endif %}\n", string(Template)},
		{"braces in a text do not make a template", "f", "apiVersion: v1\nkind: Pod\na: 'see {{ this }}'\nb: [\n", "error"},
		{"a placeholder for a number", "f", "apiVersion: v1\nkind: Service\n" + meta + "spec: {healthCheckNodePort: '${PORT}'}\n", string(Template)},
		{"a placeholder next to a fault", "f", "apiVersion: v1\nkind: Service\n" + meta + "spec: {healthCheckNodePort: '${PORT}', type: 1}\n", "error"},

		{"a key twice next to what looks like a template", "f", "apiVersion: v1\nkind: Pod\nkind: Pod\n" + meta + "x: |\n  a: {{ b }}\n", "error"},
		{"a key twice in braces", "f", "{apiVersion: v1, kind: Pod, kind: Pod, metadata: {name: a}}\n", "error"},
		{"a key twice that is written otherwise", "f", "{\"api\\u0056ersion\": v1, \"kin\\u0064\": Pod, \"kin\\u0064\": Pod}\n", "error"},
		{"two documents that kubectl takes for one", "f", "# a\rapiVersion: v1\rkind: Pod\r---\rb: c\r", "error"},
		{"two documents, of which one is broken", "f", "# a\rapiVersion: v1\rkind: Pod\r---\r{{ c\r", "error"},
		{"UTF-16", "f", "\xff\xfe" + strings.Join(strings.Split("apiVersion: v1\nkind: Pod\n", ""), "\x00") + "\x00", "error"},
		{"two documents that no API server wants", "f", "a: b\r---\rc: d\r", string(Foreign)},

		{"a workload with items", "f", "apiVersion: apps/v1\nkind: Deployment\n" + meta + "items: []\nspec: {selector: {}, " + pod + "}\n", "error"},
		{"a ConfigMap with null items", "f", "apiVersion: v1\nkind: ConfigMap\n" + meta + "items:\n", "error"},
		{"a List without items", "f", "apiVersion: v1\nkind: List\nlist: []\n", "error"},
		{"a typed List without items", "f", "apiVersion: apps/v1\nkind: DeploymentList\n", "error"},
		{"comments", "f", "# a\n", string(Blank)},
		{"an empty List", "f", "apiVersion: v1\nkind: List\nitems: []\n", string(Blank)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			items := Decode([]byte(test.text), test.file)
			if diff := cmp.Diff([]string{test.want}, sorts(items)); diff != "" {
				t.Error(diff, show(items))
			}
		})
	}
}

// A patch in a List does not affect how its neighbors are classified.
func TestPatchInAList(t *testing.T) {
	const text = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n- {apiVersion: v1, kind: Service, metadata: {name: b}, $patch: delete}\n"
	if diff := cmp.Diff([]string{"object", string(Patch)}, sorts(Decode([]byte(text), "f"))); diff != "" {
		t.Error(diff)
	}
}

// The plural in a note contains the name of the sort, so that its file can be found.
func TestSortsHavePlurals(t *testing.T) {
	for _, sort := range []Category{Foreign, ToolConfig, Kustomization, Patch, Chart, Template, Blank, Excluded, Message} {
		if first, _, _ := strings.Cut(string(sort), " "); !strings.HasPrefix(sort.Plural(), first) || sort.Plural() == string(sort) {
			t.Errorf("%q: %q", sort, sort.Plural())
		}
	}
}

func TestNeighbors(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	const object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
	const kustomization = `
resources: [object.yaml, both.yaml]
components: [../component]
patches: [{path: p1.yaml}, {patch: "inline"}]
patchesStrategicMerge: [p2.yaml, both.yaml, "{apiVersion: v1}"]
patchesJson6902: [{path: p3.yaml}]
replacements: [{path: k1.yaml}]
transformers: [k2.yaml, folder, ., ..]
generators: [k3.yaml]
validators: [k4.yaml]
configurations: [k5.yaml]
crds: [k6.yaml, plain]
openapi: {path: k7.yaml}
configMapGenerator: [{files: [k8.yaml, name=k9.yaml], envs: [ka.yaml], env: kb.yaml}]
secretGenerator: [{files: [kc.yaml]}]
helmCharts: [{valuesFile: c1.yaml, additionalValuesFiles: [c2.yaml]}]
helmChartInflationGenerator: [{values: c3.yaml}]
`
	files := map[string]string{
		"k/kustomization.yml": kustomization, "component/object.yaml": object, "k/unnamed.yaml": object, "k/folder/deep/k.yaml": object, "k/plain/object.yaml": object,
		"chart/Chart.yaml": "apiVersion: v2\nname: c\n", "chart/templates/sub/c.yaml": object, "chart/crds/object.yaml": object, "templates/object.yaml": object,
	}
	want := map[string]string{
		"k/kustomization.yml": string(Kustomization), "component/object.yaml": "object", "k/unnamed.yaml": "object", "k/folder/deep/k.yaml": string(Kustomization), "k/plain/object.yaml": "object",
		"chart/Chart.yaml": string(Chart), "chart/templates/sub/c.yaml": string(Chart), "chart/crds/object.yaml": "object", "templates/object.yaml": "object",
	}
	for name := range strings.FieldsSeq("object both p1 p2 p3 k1 k2 k3 k4 k5 k6 k7 k8 k9 ka kb kc c1 c2 c3") {
		path := "k/" + name + ".yaml"
		files[path] = object
		want[path] = map[byte]string{'o': "object", 'b': "object", 'p': string(Patch), 'k': string(Kustomization), 'c': string(Chart)}[name[0]]
	}
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]string{}
	items := slices.Collect(Open([]string{"."}, nil, Options{}).Items())
	for i, sort := range sorts(items) {
		got[items[i].Source.File] = sort
		if !items[i].Walked {
			t.Errorf("%s was found in a folder", items[i].Source.File)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	loaded := map[string]string{}
	for _, file := range Load([]string{"."}, nil, Options{}) {
		loaded[file.Name] = sorts(file.Items())[0]
	}
	if diff := cmp.Diff(want, loaded); diff != "" {
		t.Error("Load:", diff)
	}
	// A file that is named explicitly may be a template without directives; a patch is still a patch.
	named := slices.Collect(Open([]string{"chart/templates/sub/c.yaml", "k/p1.yaml"}, nil, Options{}).Items())
	if diff := cmp.Diff([]string{"object", string(Patch)}, sorts(named)); diff != "" || named[1].Skipped() {
		t.Error("named:", diff)
	}
}

// Faults are located at their fields, in the order of the text.
func TestFaults(t *testing.T) {
	const text = "# c\n---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: a}\n  spec:\n    typo: 1\n    ports:\n    - {targetPort: true, port: '80'}\n    clusterIP: 5\n"
	items := Decode([]byte(text), "f")
	refused, ok := errors.AsType[*RefusedError](items[0].Err)
	if len(items) != 1 || !ok {
		t.Fatal(show(items))
	}
	var got []string
	for _, f := range append(items[0].Warnings, refused.Faults...) {
		got = append(got, Source{"f", f.Line}.String()+" "+f.Path)
	}
	want := []string{"f:10 spec.typo", "f:12 spec.ports[0].targetPort", "f:12 spec.ports[0].port", "f:13 spec.clusterIP"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
