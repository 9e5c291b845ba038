package manifest

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/yamldoc"
)

// show writes one item per line: position, then kind and name, or the error.
func show(items []Item) string {
	var lines []string
	for _, item := range items {
		line := item.Source.String() + ": "
		if item.Err != nil {
			line += "error: " + item.Err.Error()
		} else {
			metadata, _ := item.Object["metadata"].(map[string]any)
			name, _ := metadata["name"].(string)
			line += item.Object["apiVersion"].(string) + " " + item.Object["kind"].(string) + " " + name
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestDecode(t *testing.T) {
	tests := []struct{ name, file, text, want string }{
		{"nothing", "f", "", ""},
		{"nothing but white space", "f", "\ufeff\n \n", ""},
		{"nothing but comments", "f", "# a license\n---\n", "f:1: error: contains no object"},
		{"documents, some empty", "f", "---\n# nothing\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n---\n{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"b\"}}\n",
			"f:1: error: contains no object\nf:4: v1 ConfigMap a\nf:7: error: contains no object\nf:9: v1 ConfigMap b"},
		{"a broken document among others", "f", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\nkind: ConfigMap\n metadata: {}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n",
			"f:1: v1 ConfigMap a\nf:6: error: is not valid YAML: mapping values are not allowed in this context\nf:8: v1 ConfigMap b"},
		{"a marker inside a block scalar is indented", "f", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: |\n    ---\n    apiVersion: v1\n",
			"f:1: v1 ConfigMap a"},
		{"a List", "f", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata:\n    name: a\n- apiVersion: apps/v1\n  kind: ControllerRevision\n  metadata: {name: b}\n",
			"f:4: v1 ConfigMap a\nf:8: apps/v1 ControllerRevision b"},
		{"a typed List gives its items their kind", "f", "apiVersion: apps/v1\nkind: ControllerRevisionList\nitems:\n- metadata: {name: a}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n",
			"f:4: apps/v1 ControllerRevision a\nf:5: v1 ConfigMap b"},
		{"a List in a List", "f", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMapList\n  items:\n  - metadata: {name: a}\n",
			"f:7: v1 ConfigMap a"},
		{"anything with items is a List to kubectl", "f", "apiVersion: example.com/v1\nkind: Thing\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n", "f:4: v1 ConfigMap a"},
		{"an object whose items are no list", "f", "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}\nitems: {b: c}\n", "f:1: example.com/v1 Thing a"},
		{"empty Lists", "f", "{apiVersion: v1, kind: List, items: []}\n---\n{apiVersion: v1, kind: List, items: null}\n", "f:1: error: contains no object\nf:3: error: contains no object"},
		{"items that are no objects", "f", "apiVersion: v1\nkind: List\nitems:\n- {metadata: {}}\n- text\n",
			"f:4: error: is not a Kubernetes object: it has neither apiVersion nor kind\nf:5: error: is not a Kubernetes object: an object is a map"},
		{"no object", "f", "- a\n---\ntext\n---\n5\n",
			"f:1: error: is not a Kubernetes object: an object is a map\nf:3: error: is not a Kubernetes object: an object is a map\nf:5: error: is not a Kubernetes object: an object is a map"},
		{"half an object", "f", "kind: ConfigMap\n---\napiVersion: v1\n---\napiVersion: 1\nkind: ConfigMap\n---\napiVersion: v1\nkind: ''\n",
			"f:1: error: is not a Kubernetes object: it has no apiVersion\nf:3: error: is not a Kubernetes object: it has no kind\nf:5: error: is not a Kubernetes object: apiVersion and kind must be strings\nf:8: error: is not a Kubernetes object: apiVersion and kind must be strings"},
		{"Helm values", "chart/values-prod.yaml", "replicaCount: 2\n", "chart/values-prod.yaml:1: error: is not a Kubernetes object: it has neither apiVersion nor kind; check what the chart renders: helm template DIR | taffrail check -"},
		{"a kustomization without kind", "k/kustomization.yaml", "resources: [a.yaml]\n", "k/kustomization.yaml:1: error: is not a Kubernetes object: it has neither apiVersion nor kind; check what the kustomization builds: kustomize build DIR | taffrail check -"},
		{"a kustomization", "k/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n", "k/kustomization.yaml:1: error: is input for kustomize, not an object; check what the kustomization builds: kustomize build DIR | taffrail check -"},
		{"a template", "f", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n", `f:4: error: metadata.name: a key must be a string, a number or a boolean ("{{" looks like a template: render it first, as in helm template … | taffrail check -)`},
		{"anchors", "f", "apiVersion: v1\nkind: ConfigMap\nmetadata: &m {name: a}\nx: *m\n", "f:1: v1 ConfigMap a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, show(Decode([]byte(test.text), test.file))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Values that aliases share in the text are not shared in the objects, or defaulting one place would change the
// other.
func TestAliasesAreCopied(t *testing.T) {
	items := Decode([]byte("apiVersion: v1\nkind: ConfigMap\na: &a {k: 1}\nb: *a\n"), "f")
	items[0].Object["a"].(map[string]any)["k"] = "changed"
	if got := items[0].Object["b"].(map[string]any)["k"]; got != int64(1) {
		t.Errorf("got %v", got)
	}
}

// To locate a field, a caller needs the object's node and its line in the file.
func TestNode(t *testing.T) {
	const pod = "{\"kind\": \"ConfigMap\", \"apiVersion\": \"v1\"}\n"
	items := Decode([]byte(pod+"\n "+pod+"# above\n---\nkind: ConfigMap\napiVersion: v1\n---\napiVersion: v1\nkind: List\nitems:\n"+
		"- &a\n  apiVersion: v1\n  kind: ConfigMap\n- *a\n\ufeff---\napiVersion: v1\nkind: ConfigMap\n"), "f")
	var lines []int
	for _, item := range items {
		if item.Skipped() {
			continue
		}
		node, before, err := item.Node()
		if err != nil {
			t.Fatal(err)
		}
		place, depth := yamldoc.Lookup(node, []string{"kind"})
		if depth != 1 || place.Value.Value != "ConfigMap" {
			t.Errorf("%v: the node is not the object's", item.Source)
		}
		lines = append(lines, before+place.Key.Line)
	}
	if diff := cmp.Diff([]int{1, 3, 6, 14, 14, 18}, lines); diff != "" {
		t.Error(diff)
	}
	for _, item := range Decode([]byte("kind: ConfigMap"), "f") {
		if _, _, err := item.Node(); err == nil {
			t.Error("a node of what is no object")
		}
	}
}

func TestDocumentStart(t *testing.T) {
	const text = "{\"kind\": \"ConfigMap\", \"apiVersion\": \"v1\"}\n {\"kind\": \"ConfigMap\", \"apiVersion\": \"v1\"}\n\n---\r\nkind: ConfigMap\r\napiVersion: v1\r\n...\n# c\n---\nkind: ConfigMap\napiVersion: v1"
	items := Decode([]byte(text), "f")
	if len(items) != 4 {
		t.Fatal(show(items))
	}
	end := 0
	for _, item := range items {
		d := item.Document
		if got := text[d.Start : d.Start+len(d.Text)]; got != string(d.Text) {
			t.Errorf("%v: %q, want %q", item.Source, got, d.Text)
		}
		if strings.TrimSpace(text[end:d.Start]) != "" {
			t.Errorf("%v: %q is in no document", item.Source, text[end:d.Start])
		}
		end = d.Start + len(d.Text)
	}
	if end != len(text) {
		t.Errorf("%q is in no document", text[end:])
	}
}

func read(paths []string, stdin io.Reader, o Options) []Item {
	return slices.Collect(Open(paths, stdin, o).Items())
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	pod := func(name string) string { return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\n" }
	for path, text := range map[string]string{
		"d/b.yaml": pod("b"), "d/sub/a.yml": pod("a"), "d/c.json": `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}}`,
		"d/README.md": "hello", "d/x.yaml.template": pod("x"), "empty/README.md": "hello",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"d/link.yaml": "b.yaml", "d/loop.yaml": "../d", "d/zdangling.yaml": "nowhere"} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	items := read([]string{"d", "-", "d/x.yaml.template", "empty", "missing.yaml"}, strings.NewReader("\n"+pod("stdin")), Options{})
	want := `d/b.yaml:1: v1 ConfigMap b
d/c.json:1: v1 ConfigMap c
d/link.yaml:1: v1 ConfigMap b
d/sub/a.yml:1: v1 ConfigMap a
d/zdangling.yaml: error: no such file or directory
<stdin>:2: v1 ConfigMap stdin
d/x.yaml.template:1: v1 ConfigMap x
empty: error: contains no *.yaml, *.yml or *.json
missing.yaml: error: no such file or directory`
	if diff := cmp.Diff(want, show(items)); diff != "" {
		t.Error(diff)
	}
}

func TestReadError(t *testing.T) {
	items := read([]string{Stdin}, iotest.ErrReader(os.ErrClosed), Options{})
	if got := show(items); got != "<stdin>: error: file already closed" {
		t.Error(got)
	}
}

func TestFacts(t *testing.T) {
	items := Decode([]byte(`
{apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {x: first}}}
---
{apiVersion: v1, kind: LimitRange, metadata: {name: l}, spec: {limits: [{type: Container, max: {cpu: 1}}]}}
---
{apiVersion: v1, kind: LimitRange, metadata: {name: l, namespace: default}, spec: {limits: [{type: Container, max: {cpu: 500m}}]}}
---
{apiVersion: v1, kind: LimitRange, metadata: {name: l, namespace: a}, spec: {limits: []}}
---
{apiVersion: v1, kind: ResourceQuota, metadata: {name: q, namespace: a}, spec: {hard: {pods: 3}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {x: last}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: bad, labels: {x: 1}}}
---
{apiVersion: v1, kind: LimitRange, metadata: {name: bad}, spec: {limits: many}}
---
{apiVersion: v1, kind: Namespace}
---
{apiVersion: example.com/v1, kind: Namespace, metadata: {name: other}}
---
5
`), "f")
	facts := FactsOf(slices.Values(items), "default")
	var lines []string
	for _, item := range items {
		if err := FactError(item.Object); err != nil {
			lines = append(lines, item.Source.String()+": "+err.Error())
		}
	}
	want := []string{
		"f:18: the Namespace has no name",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
	ctx := t.Context()
	for name, want := range map[string]string{
		"":        `{"Name":"","Labels":null,"Known":true}`,
		"a":       `{"Name":"a","Labels":{"x":"last"},"Known":true}`,
		"default": `{"Name":"default","Labels":null,"Known":false}`,
		"other":   `{"Name":"other","Labels":null,"Known":false}`,
	} {
		namespace, err := facts.Namespace(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := json.Marshal(namespace); string(got) != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
	here, _ := facts.Facts(ctx, "default", decision.AllFacts())
	if len(here.LimitRanges) != 1 || here.LimitRanges[0].Spec.Limits[0].Max.Cpu().String() != "500m" {
		t.Errorf("default: the last LimitRange of a name must count: %v", here.LimitRanges)
	}
	there, _ := facts.Facts(ctx, "a", decision.AllFacts())
	if len(there.LimitRanges) != 1 || len(there.ResourceQuotas) != 1 {
		t.Errorf("a: got %v", there)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("apiVersion: v1\nkind: List\nitems: [{kind: Namespace, apiVersion: v1, metadata: {name: x}}, 5]\n"))
	f.Add([]byte("{\"apiVersion\":\"v1\",\"kind\":\"LimitRange\",\"spec\":{\"limits\":[{\"max\":{\"cpu\":1.5}}]}}{\"a\":1}"))
	f.Add([]byte("kind: *x\n---\napiVersion: v1\nkind: ResourceQuota\nmetadata: 5\n---\na: [\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		items := Decode(data, "f")
		for _, item := range items {
			if (item.Object == nil) == (item.Err == nil) || item.Source.Line < 1 {
				t.Fatalf("%#v", item)
			}
			if item.Err == nil {
				if _, err := json.Marshal(item.Object); err != nil {
					t.Fatal(err)
				}
			}
		}
		FactsOf(slices.Values(items), "default")
	})
}
