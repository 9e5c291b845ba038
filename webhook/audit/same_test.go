package audit_test

import (
	cmpstd "cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/rego/regotest"
	"taffrail.dev/webhook/request"
	"taffrail.dev/webhook/yamldoc"
)

// surroundings are the facts of one case.
type surroundings struct{ *regotest.Case }

func (s surroundings) Namespace(_ context.Context, name string) (decision.Namespace, error) {
	return decision.Namespace{Name: name, Known: true, Labels: s.Case.Namespace.Labels}, nil
}

func (s surroundings) Facts(context.Context, string, []decision.Fact) (decision.Facts, error) {
	return decision.Facts{
		LimitRanges: s.LimitRanges, ResourceQuotas: s.Quotas, Autoscalers: s.Autoscalers, PersistentVolumeClaims: s.Claims, StorageClasses: s.StorageClasses,
	}, nil
}

// words are what people read of a decision.Finding.
type words struct {
	Policy, Container, Path, Message, Remediation, Unknown, Mode string
	Guardrails                                                   []string
	WouldDeny                                                    bool
}

func wordsOf(d *decision.Decision) (all []words) {
	for i := range d.Findings {
		f := d.Findings[i]
		if f.Policy == "plaintext-secret" {
			// In a cluster, a Secret that a controller made of an encrypted manifest is no different: it is recorded.
			f.Mode, f.WouldDeny = decision.ModeAudit, false
			f.Path = strings.Replace(f.Path, "stringData[", "data[", 1) // the API server merges it
		}
		if f.Policy == "quota-fit" {
			continue // what the Pods of a stored workload use counts as available to it
		}
		all = append(all, words{f.Policy, f.Container, f.Path, f.Message, f.Remediation, f.Unknown, f.Mode.String(), f.Guardrails, f.WouldDeny})
	}
	slices.SortStableFunc(all, func(a, b words) int {
		return cmpstd.Or(strings.Compare(a.Policy, b.Policy), strings.Compare(a.Container, b.Container), strings.Compare(a.Path, b.Path))
	})
	return all
}

// An audit says of an object what taffrail check says of its manifest. Of a Pod, a check predicts what will be injected
// when it is created, and an audit sees what was: therefore nothing is injected here.
func TestAnAuditSaysWhatACheckSays(t *testing.T) {
	library, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	guardrails := config.Default(library)
	for i := range guardrails {
		guardrails[i].Spec.Policies = slices.DeleteFunc(guardrails[i].Spec.Policies, func(b v1alpha1.PolicyBinding) bool {
			policy, known := library.Policy(b.Name)
			return known && policy.Mutates
		})
	}
	snapshot, problems, err := config.Build(t.Context(), library, config.Objects{Guardrails: guardrails})
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	server := &oneObject{}
	objects := server.start(t)
	compared, findings := 0, 0
	for _, c := range cases(t) {
		r, err := request.Manifest(c.Object, "default")
		if err != nil || request.Controller(r.Object) != (request.Owner{}) {
			continue // the API server would not store it, or an audit finds it in the owner
		}
		// What the API server stores has its defaults.
		stored, err := json.Marshal(r.Object)
		if err != nil {
			t.Fatal(err)
		}
		decider := pipeline.New(snapshot, surroundings{c}, pipeline.Options{})
		checked, err := decider.Decide(t.Context(), r)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		server.object = stored
		scanner := audit.Scanner{Objects: objects, Facts: surroundings{c}}
		mapping := &meta.RESTMapping{Resource: r.Kind.GroupVersion().WithResource("things"), GroupVersionKind: r.Kind, Scope: meta.RESTScopeRoot}
		var audited *decision.Decision
		err = scanner.Scan(t.Context(), decider, audit.Selection{Mapping: mapping}, func(s *audit.Scanned) {
			if s.Err != nil || s.FromTemplate {
				t.Errorf("%s of %s: %v", c.Name, c.File, s.Err)
			}
			audited = s.Decision
		})
		switch {
		case err != nil:
			t.Fatalf("%s: %v", c.Name, err)
		case audited == nil && (len(checked.Findings) > 0 || !checked.Unbound):
			t.Errorf("%s of %s is not audited", c.Name, c.File)
		case audited == nil:
			continue
		}
		if diff := cmp.Diff(wordsOf(checked), wordsOf(audited)); diff != "" {
			t.Errorf("%s of %s: -check +audit:\n%s", c.Name, c.File, diff)
		}
		compared++
		findings += len(checked.Findings)
	}
	if compared < 790 || findings < 4000 {
		t.Errorf("compared %d objects with %d findings: the test would hold nothing", compared, findings)
	}
	t.Logf("%d objects, %d findings", compared, findings)
}

// oneObject is an API server that has one object of any kind.
type oneObject struct{ object []byte }

func (o *oneObject) start(t *testing.T) *audit.Objects {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"metadata":{"resourceVersion":"1"},"items":[%s]}`, o.object) //nolint:errcheck // the client notices
	}))
	t.Cleanup(server.Close)
	objects, err := audit.NewObjects(&rest.Config{Host: server.URL}, audit.ObjectsOptions{Pages: true})
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// cases returns the objects of the library's case files and of the charts.
func cases(t *testing.T) (all []*regotest.Case) {
	t.Helper()
	for _, pattern := range []string{"../../policies/*/*/cases/*.yaml", "../../test/testdata/charts/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if filepath.Base(filepath.Dir(file)) == "cases" {
				found, errs := regotest.Read(data, file)
				if len(errs) > 0 {
					t.Fatal(errs)
				}
				all = append(all, found...)
				continue
			}
			for _, chunk := range yamldoc.Split(data) {
				text, err := yaml.YAMLToJSON(chunk.Data)
				if err != nil {
					t.Fatal(err)
				}
				c := &regotest.Case{Name: file, File: file}
				if err := kjson.UnmarshalCaseSensitivePreserveInts(text, &c.Object); err != nil {
					t.Fatal(err)
				}
				if c.Object != nil {
					all = append(all, c)
				}
			}
		}
	}
	for _, c := range all {
		// A stored object names its namespace.
		if metadata, ok := c.Object["metadata"].(map[string]any); ok && c.Object["kind"] != "Namespace" && metadata["namespace"] == nil {
			metadata["namespace"] = "apps"
		}
		// A case is decoded with numbers of encoding/json.
		text, err := json.Marshal(c.Object)
		if err != nil {
			t.Fatal(err)
		}
		c.Object = nil
		if err := kjson.UnmarshalCaseSensitivePreserveInts(text, &c.Object); err != nil {
			t.Fatal(err)
		}
	}
	return all
}
