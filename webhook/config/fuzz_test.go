package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	kjson "sigs.k8s.io/json"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/rego"
)

// FuzzDecode checks that the decoder is strict: what it accepts is all that the text contains, survives a round
// trip, and has no unknown field.
func FuzzDecode(f *testing.F) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		f.Fatal(err)
	}
	for _, g := range Default(catalog) {
		text, err := json.Marshal(g)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, text := range []string{
		header + "metadata: {name: x}\nspec: {mode: warn, policies: [{name: image-tag, parameters: {tags: [latest, edge]}}]}\n",
		header + "metadata: {name: x}\nspec:\n  mode: enforce\n  namespaceSelector: {matchLabels: {a: b}, matchExpressions: [{key: c, operator: In, values: [d]}]}\n" +
			"  excludeNamespaces: [kube-system]\n  existing: enforce\n  trustedWriters: {users: [a], groups: [b]}\n  policies: [{name: require-probes, mode: audit}]\n",
		"apiVersion: v1\nkind: List\nitems: [{apiVersion: taffrail.dev/v1alpha1, kind: Guardrail, spec: {mode: 1}}]\n",
		header + "metadata: {labels: {a: b}, creationTimestamp: x, managedFields: [{fieldsV1: 5}]}\nstatus: {conditions: [{lastTransitionTime: 5}]}\n",
		header + "metadata: {name: x}\nspec: {mode: warn, policies: [{name: inject-resources, parameters: {requests: {cpu: null, memory: 1e3}}}]}\n---\n# nothing\n---\n" + header,
		exemptionHeader + "metadata: {name: x}\nspec:\n  policies: [image-tag]\n  namespaces: [legacy]\n  kinds: [Deployment, Pod]\n  names: [\"batch-*\"]\n" +
			"  containers: [app]\n  reason: because\n  owner: team-a\n  expires: 2027-01-31\n",
		"apiVersion: taffrail.dev/v1alpha1\nkind: Policy\nmetadata: {name: x}\nspec:\n  failurePolicy: Fail\n  rego: |\n    package taffrail.user.x\n",
		"apiVersion: taffrail.dev/v1alpha1\nkind: ExemptionList\nitems: [{apiVersion: taffrail.dev/v1alpha1, kind: Exemption, spec: {policies: 1}}]\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, _, errs := decode(data, "f")
		for _, err := range errs {
			at := new(Error)
			if !errors.As(err, &at) || at.Line < 1 || at.Source != "f" || at.Reason == "" {
				t.Fatalf("%#v", err)
			}
		}
		for i := range entries {
			checkEntry(t, &entries[i])
		}
		set := &Files{}
		set.add(entries)
		for _, err := range set.Check(catalog) {
			if at := new(Error); !errors.As(err, &at) || at.Line < 1 || at.Field == "" {
				t.Fatalf("%#v", err)
			}
		}
	})
}

// FuzzDecodeObject checks that an object in an API server and in a file are decoded alike: both are accepted or
// neither, with the same result.
func FuzzDecodeObject(f *testing.F) {
	for _, text := range []string{
		`{"apiVersion":"taffrail.dev/v1alpha1","kind":"Guardrail","metadata":{"name":"x","uid":"u"},"spec":{"mode":"warn","policies":[{"name":"image-tag"}]},"status":{"new":1}}`,
		`{"apiVersion":"taffrail.dev/v1alpha1","kind":"Exemption","metadata":{"name":"x"},"spec":{"policies":["a"],"namespaces":["b"],"reason":"c","owner":"d","expires":"2027-01-31"}}`,
		`{"apiVersion":"taffrail.dev/v1alpha1","kind":"Policy","metadata":{"name":"x"},"spec":{"rego":"package x","failurePolicy":"Fail"}}`,
		`{"apiVersion":"v1","kind":"List","items":[]}`, `{"metadata":5,"spec":[]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var object map[string]any
		if strict, err := kjson.UnmarshalStrict(data, &object); err != nil || len(strict) > 0 {
			return
		}
		decoded, faults := Decode(object)
		if (decoded == nil) == (len(faults) == 0) {
			t.Fatalf("decoded %v with faults %v", decoded, faults)
		}
		metadata, _ := object["metadata"].(map[string]any)
		delete(object, "status")
		object["metadata"] = map[string]any{"name": metadata["name"]}
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		entries, _, errs := decode(text, "f")
		if (len(errs) > 0 || len(entries) != 1 || entries[0].prefix != "") != (len(faults) > 0) {
			t.Fatalf("as a file it has errors %q, stored it has %v: %s", texts(errs), faults, text)
		}
		if len(faults) > 0 {
			return
		}
		if diff := cmp.Diff(entries[0].object, decoded); diff != "" {
			t.Fatalf("-file +stored:\n%s", diff)
		}
	})
}

func checkEntry(t *testing.T, e *entry) {
	t.Helper()
	text, err := json.Marshal(e.object)
	if err != nil {
		t.Fatal(err)
	}
	again, _, errs := decode(text, "again")
	if len(errs) > 0 || len(again) != 1 {
		t.Fatalf("%s\nreads as %d Guardrails with errors:\n%s", text, len(again), texts(errs))
	}
	second, err := json.Marshal(again[0].object)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(text), string(second)); diff != "" {
		t.Fatalf("written and read again it is another:\n%s", diff)
	}
	var written map[string]any
	if err := json.Unmarshal(text, &written); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(said(source(t, e)["spec"]), said(written["spec"])); diff != "" {
		t.Fatalf("what the text says and what was decoded:\n%s", diff)
	}
	for _, place := range [][]string{{}, {"metadata"}, {"spec"}, {"spec", "namespaceSelector"}, {"spec", "trustedWriters"}, {"status"}} {
		refuseMore(t, written, place)
	}
}

// source returns the object that an entry was decoded from, as plain JSON.
func source(t *testing.T, e *entry) (object map[string]any) {
	t.Helper()
	value := e.document.Value
	if e.prefix != "" {
		for i, item := range value.(map[string]any)["items"].([]any) {
			if e.prefix == fmt.Sprintf("items[%d]", i) {
				value = item
			}
		}
	}
	text, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(text, &object)
	}
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// said removes values without content: null, and empty strings, maps and lists.
func said(value any) any {
	switch value := value.(type) {
	case string:
		if value == "" {
			return nil
		}
	case map[string]any:
		for name, member := range value {
			if value[name] = said(member); value[name] == nil {
				delete(value, name)
			}
		}
		if len(value) == 0 {
			return nil
		}
	case []any:
		for i := range value {
			value[i] = said(value[i])
		}
		if len(value) == 0 {
			return nil
		}
	}
	return value
}

// refuseMore adds an unknown field.
func refuseMore(t *testing.T, written map[string]any, place []string) {
	t.Helper()
	at := written
	for _, name := range place {
		next, ok := at[name].(map[string]any)
		if !ok {
			return
		}
		at = next
	}
	at["zzz"] = nil
	defer delete(at, "zzz")
	text, err := json.Marshal(written)
	if err != nil {
		t.Fatal(err)
	}
	entries, _, errs := decode(text, "more")
	if len(entries) > 0 || len(errs) != 1 || !strings.Contains(errs[0].Error(), strings.Join(append(place, "zzz"), ".")+": unknown field") {
		t.Fatalf("%d Guardrails and errors %q for\n%s", len(entries), texts(errs), text)
	}
}
