package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/rego"
)

// testCatalog returns a catalog with two policies in place of the library.
func testCatalog(t *testing.T) *rego.Catalog {
	t.Helper()
	policy := func(id, mode, parameters string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(`# METADATA
# title: A title
# description: A description.
# custom:
#   id: ` + id + `
#   severity: high
#   section: "1"
#   kinds: [Service]
#   default_mode: ` + mode + `
#   remediation: Do it.
` + parameters + `package taffrail.x.` + strings.ReplaceAll(id, "-", "_") + `

deny contains {"msg": "bad", "path": "spec"} if input.name == "bad"
`)}
	}
	catalog, err := rego.Load(fstest.MapFS{
		"x/require_probes/policy.rego": policy("require-probes", "warn", ""),
		"x/restricted_service_type/policy.rego": policy("restricted-service-type", "enforce", `#   default_guardrail: restricted
#   parameters:
#     type: object
#     properties:
#       types: {type: array, items: {type: string, enum: [LoadBalancer, NodePort]}, default: [LoadBalancer], description: Types.}
#       most: {type: integer, default: 3, description: A number.}
`),
	})
	if err != nil {
		t.Fatal(err)
	}
	return catalog
}

const header = "apiVersion: taffrail.dev/v1alpha1\nkind: Guardrail\n"

func texts(errs []error) string {
	var lines []string
	for _, err := range errs {
		lines = append(lines, err.Error())
	}
	return strings.Join(lines, "\n")
}

func TestDecodeErrors(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"unknown fields, all of them", header + "metadata: {name: x, nam: y}\nspec:\n  mode: warn\n  excludedNamespaces: []\n  policies:\n  - name: a\n    parameter: {}\n",
			`g.yaml:3: metadata.nam: unknown field, did you mean "name"?
g.yaml:6: spec.excludedNamespaces: unknown field, did you mean "excludeNamespaces"?
g.yaml:9: spec.policies[0].parameter: unknown field, did you mean "parameters"?`},
		{"an unknown field like no other", header + "spec:\n  somethingElse: 1\n", `g.yaml:4: spec.somethingElse: unknown field`},
		{"letter case counts", header + "spec:\n  Mode: warn\n", `g.yaml:4: spec.Mode: unknown field, did you mean "mode"?`},
		{"a key given twice", header + "spec:\n  mode: warn\n  mode: enforce\n", `g.yaml:5: spec.mode: this key is in the same map twice, first 1 line above`},
		{"wrong types", header + "metadata:\n  name: 5\n  labels: {a: [1]}\nspec:\n  mode: [warn]\n  policies: require-probes\n  excludeNamespaces:\n  - 1\n  - a\n  trustedWriters: yes\n",
			`g.yaml:5: metadata.labels[a]: must be a string, not a list
g.yaml:4: metadata.name: must be a string, not a number
g.yaml:10: spec.excludeNamespaces[0]: must be a string, not a number
g.yaml:7: spec.mode: must be a string, not a list
g.yaml:8: spec.policies: must be a list, not a string
g.yaml:12: spec.trustedWriters: must be a map, not a boolean`},
		{"no apiVersion", "kind: Guardrail\n", `g.yaml:1: apiVersion: is missing: write taffrail.dev/v1alpha1`},
		{"no kind", "apiVersion: taffrail.dev/v1alpha1\n", `g.yaml:1: kind: is missing: write Guardrail, Exemption or Policy`},
		{"another version", "apiVersion: taffrail.dev/v2\nkind: Guardrail\n", `g.yaml:1: apiVersion: taffrail.dev/v2 Guardrail is not supported: write Guardrail, Exemption or Policy of taffrail.dev/v1alpha1`},
		{"another kind", "apiVersion: v1\nkind: Pod\n", `g.yaml:1: apiVersion: v1 Pod is not supported: write Guardrail, Exemption or Policy of taffrail.dev/v1alpha1`},
		{"no such kind of ours", "apiVersion: taffrail.dev/v1alpha1\nkind: Guard\n", `g.yaml:2: kind: "Guard" is not supported: write Guardrail, Exemption or Policy`},
		{"a list where a map is wanted", header + "spec: []\nmetadata: {labels: [a]}\n", `g.yaml:4: metadata.labels: must be a map, not a list
g.yaml:3: spec: must be a map, not a list`},
		{"a map where text is wanted", header + "spec: {mode: {a: b}, policies: [{name: 1.5}]}\n", `g.yaml:3: spec.mode: must be a string, not a map
g.yaml:3: spec.policies[0].name: must be a string, not a number`},
		{"no numbers", header + "status: {observedGeneration: x, conditions: [{observedGeneration: 1.5}], wouldDeny: {requests: true}}\nmetadata: {ownerReferences: [{controller: x}]}\n",
			`g.yaml:4: metadata.ownerReferences[0].controller: must be true or false, not a string
g.yaml:3: status.conditions[0].observedGeneration: must be an integer, not a number
g.yaml:3: status.observedGeneration: must be an integer, not a string
g.yaml:3: status.wouldDeny.requests: must be an integer, not a boolean`},
		{"no object", "- a\n", `g.yaml:1: must be a Guardrail, Exemption or Policy, not a list`},
		{"broken YAML", "a: b\n---\n" + header + "spec: {\n", `g.yaml:1: apiVersion: is missing: write taffrail.dev/v1alpha1
g.yaml:5: is not valid YAML: did not find expected node content`},
		{"in a List", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: taffrail.dev/v1alpha1\n  kind: Guardrail\n  spec: {mod: warn}\n- 5\n",
			`g.yaml:6: items[0].spec.mod: unknown field, did you mean "mode"?
g.yaml:7: items[1]: must be a Guardrail, Exemption or Policy, not a number`},
		{"a list of others", "apiVersion: example.com/v1\nkind: GuardrailList\nitems: []\n", `g.yaml:1: apiVersion: example.com/v1 GuardrailList is not supported: write Guardrail, Exemption or Policy of taffrail.dev/v1alpha1`},
		{"a list of no kind of ours", "apiVersion: taffrail.dev/v1alpha1\nkind: PodList\nitems: []\n", `g.yaml:2: kind: "PodList" is not supported: write Guardrail, Exemption or Policy`},
		{"what is no list", "apiVersion: taffrail.dev/v1alpha1\nkind: Guardrail\nitems: []\n", `g.yaml:3: items: unknown field`},
		{"a List of another version", "apiVersion: v2\nkind: List\nitems: []\n", `g.yaml:1: apiVersion: v2 List is not supported: write Guardrail, Exemption or Policy of taffrail.dev/v1alpha1`},
		{"another of that version", "apiVersion: v1\nkind: Listed\nitems: []\n", `g.yaml:1: apiVersion: v1 Listed is not supported: write Guardrail, Exemption or Policy of taffrail.dev/v1alpha1`},
		{"a List in a List", "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: List, items: []}\n", `g.yaml:4: items[0].apiVersion: v1 List is not supported: write Guardrail, Exemption or Policy of taffrail.dev/v1alpha1`},
		{"a timestamp", header + "metadata: {creationTimestamp: soon}\n", `g.yaml:1: parsing time "soon" as "2006-01-02T15:04:05Z07:00": cannot parse "soon" as "2006"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, _, errs := decode([]byte(test.text), "g.yaml")
			if diff := cmp.Diff(test.want, texts(errs)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecode(t *testing.T) {
	text := header + `metadata: {name: one}
spec:
  mode: enforce
  namespaceSelector: {matchLabels: {a: b}}
  policies: [{name: require-probes, parameters: {count: 1}}]
status: {observedGeneration: 3, conditions: []}
---
# nothing
---
apiVersion: v1
kind: List
metadata: {resourceVersion: ""}
items:
- apiVersion: taffrail.dev/v1alpha1
  kind: Guardrail
  metadata: {name: two, managedFields: [{fieldsV1: {f:a: {}}}], creationTimestamp: "2026-01-01T00:00:00Z"}
  spec: {mode: warn, policies: null}
`
	entries, _, errs := decode([]byte(text), "g.yaml")
	if len(errs) > 0 {
		t.Fatal(texts(errs))
	}
	set := &Files{entries: entries}
	list := set.Objects().Guardrails
	if len(list) != 2 || list[0].Name != "one" || list[1].Name != "two" {
		t.Fatalf("got %v", list)
	}
	if got := string(list[0].Spec.Policies[0].Parameters.Raw); got != `{"count":1}` {
		t.Errorf("parameters are %s", got)
	}
}

func TestCheckErrors(t *testing.T) {
	tests := []struct{ name, spec, want string }{
		{"nothing", "", `g.yaml:4: spec.mode: Required value: use enforce, warn or audit
g.yaml:4: spec.policies: Required value: a Guardrail needs at least one policy`},
		{"modes", "mode: deny\n  policies:\n  - {name: require-probes, mode: Warn}", `g.yaml:5: spec.mode: Unsupported value: "deny": supported values: "enforce", "warn", "audit"
g.yaml:7: spec.policies[0].mode: Unsupported value: "Warn": supported values: "enforce", "warn", "audit"`},
		{"an unknown policy", "mode: warn\n  policies:\n  - name: requires-probe", `g.yaml:7: spec.policies[0].name: Invalid value: "requires-probe": there is no policy with this id, did you mean "require-probes"?`},
		{"a policy like no other", "mode: warn\n  policies:\n  - name: color", `g.yaml:7: spec.policies[0].name: Invalid value: "color": there is no policy with this id`},
		{"a policy without a name", "mode: warn\n  policies: [{mode: warn}]", "g.yaml:6: spec.policies[0].name: Required value: the id of a policy, as `taffrail policies list` prints it"},
		{"parameters of the wrong type", "mode: warn\n  policies:\n  - name: restricted-service-type\n    parameters:\n      types: [NodePort, Nope]\n      most: x",
			`g.yaml:10: spec.policies[0].parameters.most: Invalid value: "x": must be of type integer: "string"
g.yaml:9: spec.policies[0].parameters.types[1]: Invalid value: "Nope": should be one of [LoadBalancer NodePort]`},
		{"an unknown parameter", "mode: warn\n  policies:\n  - name: restricted-service-type\n    parameters: {type: [NodePort]}", `g.yaml:8: spec.policies[0].parameters.type: Unsupported value: "type": supported values: "most", "types"`},
		{"parameters that are no map", "mode: warn\n  policies:\n  - name: restricted-service-type\n    parameters: [NodePort]", `g.yaml:8: spec.policies[0].parameters: Invalid value: ["NodePort"]: must be a map, not a list`},
		{"a selector's operator", "mode: warn\n  namespaceSelector:\n    matchExpressions:\n    - {key: a, operator: in, values: [b]}\n  policies: [{name: require-probes}]",
			`g.yaml:8: spec.namespaceSelector.matchExpressions[0].operator: Invalid value: "in": not a valid selector operator`},
		{"a selector's label", "mode: warn\n  namespaceSelector: {matchLabels: {\"a b\": c}}\n  policies: [{name: require-probes}]",
			`g.yaml:6: spec.namespaceSelector.matchLabels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`},
		{"one binding twice, a default said aloud", "mode: warn\n  policies:\n  - name: restricted-service-type\n  - name: restricted-service-type\n    parameters: {types: [NodePort]}\n  - name: restricted-service-type\n    parameters: {most: 3}",
			`g.yaml:10: spec.policies[2]: Duplicate value: "restricted-service-type": spec.policies[0] binds it with the same parameters`},
		{"every mode, and what may be left out", "mode: audit\n  existing: tolerate\n  exemptions: {maxDuration: 1h, never: [require-probes]}\n  policies:\n  - {name: require-probes, mode: enforce, failurePolicy: Ignore}\n" +
			"  - {name: restricted-service-type, mode: warn, failurePolicy: Fail}\n  - {name: restricted-service-type, parameters: {most: 5}}", ""},
		{"strict about what exists", "mode: enforce\n  existing: enforce\n  exemptions: {maxDuration: \"\"}\n  policies: [{name: require-probes, mode: audit, parameters: null}]", ""},
		{"limits of Exemptions", "mode: warn\n  exemptions: {maxDuration: 0s, never: [require-probes, restricted-service-type, '', require-probes]}\n  policies: [{name: require-probes}]",
			`g.yaml:6: spec.exemptions.maxDuration: Invalid value: "0s": write hours, as in 2160h for 90 days
g.yaml:6: spec.exemptions.never[2]: Required value: must not be empty
g.yaml:6: spec.exemptions.never[3]: Duplicate value: "require-probes"
g.yaml:6: spec.exemptions.never[1]: Invalid value: "restricted-service-type": this Guardrail binds no such policy`},
		{"a limit in days", "mode: warn\n  exemptions: {maxDuration: 90d}\n  policies: [{name: require-probes}]",
			`g.yaml:6: spec.exemptions.maxDuration: Invalid value: "90d": write hours, as in 2160h for 90 days`},
		{"a failure policy", "mode: warn\n  policies: [{name: require-probes, failurePolicy: fail}]",
			`g.yaml:6: spec.policies[0].failurePolicy: Unsupported value: "fail": supported values: "Ignore", "Fail"`},
		{"existing", "mode: warn\n  existing: keep\n  policies: [{name: require-probes}]", `g.yaml:6: spec.existing: Unsupported value: "keep": supported values: "tolerate", "enforce"`},
		{"namespaces", "mode: warn\n  excludeNamespaces: [kube-system, kube-*, kube-system, '']\n  policies: [{name: require-probes}]",
			`g.yaml:6: spec.excludeNamespaces[2]: Duplicate value: "kube-system"
g.yaml:6: spec.excludeNamespaces[3]: Required value: must not be empty
g.yaml:6: spec.excludeNamespaces[1]: Invalid value: "kube-*": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`},
		{"writers", "mode: warn\n  trustedWriters: {users: [a, a], groups: ['']}\n  policies: [{name: require-probes}]",
			`g.yaml:6: spec.trustedWriters.users[1]: Duplicate value: "a"
g.yaml:6: spec.trustedWriters.groups[0]: Required value: must not be empty`},
	}
	catalog := testCatalog(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set := &Files{}
			entries, _, errs := decode([]byte(header+"metadata: {name: x}\nspec:\n  "+test.spec+"\n"), "g.yaml")
			if len(errs) > 0 {
				t.Fatal(texts(errs))
			}
			set.add(entries)
			if diff := cmp.Diff(test.want, texts(set.Check(catalog))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCheckName(t *testing.T) {
	for name, want := range map[string]string{
		"":    `metadata.name: Required value: give the Guardrail a name`,
		"A_B": `metadata.name: Invalid value: "A_B": a lowercase RFC 1123 subdomain must consist`,
		"ab-": `metadata.name: Invalid value: "ab-": a lowercase RFC 1123 subdomain must consist`,
	} {
		g := Default(testCatalog(t))[0]
		g.Name = name
		_, errs := Resolve(&g, testCatalog(t))
		if len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), want) {
			t.Errorf("%q: got %v", name, errs)
		}
	}
}

func TestLoadFiles(t *testing.T) {
	one := header + "metadata: {name: one}\nspec: {mode: warn, policies: [{name: require-probes}]}\n"
	write := func(t *testing.T, files map[string]string) string {
		t.Helper()
		dir := t.TempDir()
		for name, text := range files {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"a folder, below it too", map[string]string{"a.yaml": one, "b/c.yml": strings.ReplaceAll(one, "one", "two"), "README.md": "hello"}, ""},
		{"two of one name", map[string]string{"a.yaml": one, "b.json": one}, `DIR/b.json:3: metadata.name: "one" is already the name of another Guardrail, at DIR/a.yaml:3`},
		{"one name of two kinds", map[string]string{"a.yaml": one, "b.yaml": exemptionHeader + "metadata: {name: one}\nspec: {policies: [a]}\n"}, ""},
		{"two without a name", map[string]string{"a.yaml": strings.Replace(one, "name: one", "labels: {}", 1) + "---\n" + strings.Replace(one, "name: one", "labels: {}", 1)}, ""},
		{"cases next to it", map[string]string{"a.yaml": one, "a/cases/x.yaml": "nothing: of ours\n", "cases/x.json": "nothing: of ours\n"}, ""},
		{"no file", map[string]string{"README.md": "hello"}, `DIR: contains no *.yaml, *.yml or *.json`},
		{"no Guardrail", map[string]string{"a.yaml": "# nothing\n"}, `DIR: contains no Guardrail, Exemption or Policy`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := write(t, test.files)
			_, errs := LoadFiles(dir)
			if diff := cmp.Diff(test.want, strings.ReplaceAll(texts(errs), dir, "DIR")); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("a file that cannot be read", func(t *testing.T) {
		dir := write(t, map[string]string{"b.yaml": one})
		if err := os.Symlink("/no/such/file", filepath.Join(dir, "a.yaml")); err != nil {
			t.Fatal(err)
		}
		set, errs := LoadFiles(dir)
		if got := texts(errs); got != dir+"/a.yaml: no such file or directory" || len(set.Objects().Guardrails) != 1 {
			t.Error(got, set.Objects())
		}
	})
	t.Run("every kind", func(t *testing.T) {
		policy := "apiVersion: taffrail.dev/v1alpha1\nkind: Policy\nmetadata: {name: p}\nspec: {rego: x}\n"
		exemption := exemptionHeader + "metadata: {name: e}\nspec: {policies: [a]}\n"
		list := "apiVersion: taffrail.dev/v1alpha1\nkind: ExemptionList\nitems:\n- apiVersion: taffrail.dev/v1alpha1\n  kind: Exemption\n  metadata: {name: f}\n"
		set, errs := LoadFiles(write(t, map[string]string{"a.yaml": one + "---\n" + policy + "---\n" + exemption, "b.yaml": list}))
		if o := set.Objects(); len(errs) > 0 || len(o.Guardrails) != 1 || len(o.Exemptions) != 2 || len(o.Policies) != 1 || o.Exemptions[1].Name != "f" || o.Policies[0].Spec.Rego != "x" {
			t.Errorf("got %+v, %v", o, errs)
		}
	})
	t.Run("a path that is not there", func(t *testing.T) {
		_, errs := LoadFiles("/no/such/folder")
		if got := texts(errs); got != "/no/such/folder: no such file or directory" {
			t.Error(got)
		}
	})
}

func TestDefault(t *testing.T) {
	catalog := testCatalog(t)
	list := Default(catalog)
	if len(list) != 2 || list[0].Name != "chapter" || list[1].Name != "restricted" {
		t.Fatalf("got %v", list)
	}
	for i := range list {
		if _, errs := Resolve(&list[i], catalog); len(errs) > 0 {
			t.Error(errs)
		}
	}
	if b := list[0].Spec.Policies; len(b) != 1 || b[0].Name != "require-probes" || b[0].Mode != "warn" {
		t.Errorf("chapter binds %v", b)
	}
	if b := list[1].Spec.Policies; len(b) != 1 || b[0].Name != "restricted-service-type" || b[0].Mode != "" {
		t.Errorf("restricted binds %v", b)
	}
}

func TestNearest(t *testing.T) {
	words := []string{"image-tag", "require-prestop", "require-probes"}
	for word, want := range map[string]string{
		"image-tags": "image-tag", "IMAGE-TAG": "image-tag", "require-probe": "require-probes", "required-prestop": "require-prestop",
		"": "", "x": "", "network-policy": "",
	} {
		if got := Nearest(word, words); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

// An object from an API server is decoded without the fields that the server manages, but with its creation
// time.
func TestDecodeOfAStoredObject(t *testing.T) {
	object := func(change func(map[string]any)) map[string]any {
		value := map[string]any{
			"apiVersion": "taffrail.dev/v1alpha1", "kind": "Exemption",
			"metadata": map[string]any{"name": "e", "creationTimestamp": "2027-01-01T00:00:00Z", "tobe": "invented"},
			"spec":     map[string]any{"policies": []any{"a"}},
			"status":   map[string]any{"of": "tomorrow"},
		}
		change(value)
		return value
	}
	decoded, faults := Decode(object(func(map[string]any) {}))
	e, ok := decoded.(*v1alpha1.Exemption)
	if len(faults) > 0 || !ok || e.Name != "e" || !e.CreationTimestamp.Equal(&metav1.Time{Time: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}) || len(e.Spec.Policies) != 1 {
		t.Errorf("got %+v, %v", decoded, faults)
	}
	decoded, faults = Decode(object(func(o map[string]any) { delete(o, "metadata") }))
	if e, ok := decoded.(*v1alpha1.Exemption); len(faults) > 0 || !ok || e.Name != "" || !e.CreationTimestamp.IsZero() {
		t.Errorf("got %+v, %v", decoded, faults)
	}
	for want, change := range map[string]func(map[string]any){
		"spec.policie: unknown field, did you mean \"policies\"?; spec.x: unknown field": func(o map[string]any) { o["spec"] = map[string]any{"policie": 1, "x": 1} },
		"kind: \"Pod\" is not supported: write Guardrail, Exemption or Policy":           func(o map[string]any) { o["kind"] = "Pod" },
		": is not one Guardrail, Exemption or Policy":                                    func(o map[string]any) { o["kind"], o["apiVersion"], o["items"] = "List", "v1", []any{} },
	} {
		decoded, faults := Decode(object(change))
		var got []string
		for _, fault := range faults {
			got = append(got, fault.Field+": "+fault.Reason)
		}
		if text := strings.Join(got, "; "); decoded != nil || text != want {
			t.Errorf("got %+v, %s, want %s", decoded, text, want)
		}
	}
	one := object(func(o map[string]any) { o["metadata"] = map[string]any{"name": "e"}; delete(o, "status") })
	list := map[string]any{"apiVersion": "taffrail.dev/v1alpha1", "kind": "ExemptionList", "items": []any{one}}
	if decoded, faults := Decode(list); decoded != nil || len(faults) != 1 || faults[0].Reason != "is not one Guardrail, Exemption or Policy" {
		t.Errorf("a list of one: got %+v, %v", decoded, faults)
	}
}

// Computing an edit distance takes memory and time in proportion to both lengths.
func TestLongWordsAreNotMeasured(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	if n := testing.AllocsPerRun(1, func() { Nearest(long, []string{"image-tag", "replicas"}) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
