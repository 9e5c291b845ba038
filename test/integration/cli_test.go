package integration

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/decision"
)

// checked is one object in the output of `taffrail check -o json`.
type checked struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Source    struct {
		File string `json:"file"`
	} `json:"source"`
	Verdict  decision.Verdict   `json:"verdict"`
	Findings []decision.Finding `json:"findings"`
	Filled   []decision.Fill    `json:"filled"`
}

// The API server and the command line report the same verdict with the same message.
func TestSameVerdictOnTheCommandLine(t *testing.T) {
	t.Parallel()
	guardrails, err := filepath.Abs("testdata/guardrails.yaml")
	must(t, err)
	manifests, err := harness.Chapter(cluster.Root)
	must(t, err)
	for mode, labels := range map[string][]string{
		"restricted": {enforced, restricted}, "open": {enforced}, "warned": {warned}, "audited": {audited}, "alone": {},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			namespace := newNamespace(t, "cli-"+mode, labels...)
			dir := t.TempDir()
			// The labels of the namespace are a fact, taken from the cluster.
			facts, err := yaml.Marshal(&corev1.Namespace{
				TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
				ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: labelMap(labels)},
			})
			must(t, err)
			must(t, os.WriteFile(filepath.Join(dir, "00_facts.yaml"), facts, 0o600))
			for _, manifest := range manifests {
				must(t, os.WriteFile(filepath.Join(dir, manifest.File), manifest.Content, 0o600))
			}
			said := check(t, "-n", namespace, "-c", guardrails, dir)
			sameVerdicts(t, namespace, manifests, said)
		})
	}
}

// sameVerdicts creates each manifest but Namespaces as a dry run, compares the answer with the report, and returns what
// the report says of them.
func sameVerdicts(t *testing.T, namespace string, manifests []harness.Manifest, said []checked) (compared []*checked) {
	t.Helper()
	for _, manifest := range manifests {
		object, err := manifest.Object()
		must(t, err)
		if object.GetKind() == "Namespace" {
			continue
		}
		object.SetNamespace(namespace)
		answer := cluster.Alice.Create(t.Context(), object, client.DryRunAll)
		at := slices.IndexFunc(said, func(c checked) bool { return filepath.Base(c.Source.File) == manifest.File })
		if at < 0 {
			t.Errorf("%s is not in the report", manifest.File)
			continue
		}
		sameVerdict(t, manifest.File, answer, &said[at])
		compared = append(compared, &said[at])
	}
	return compared
}

func sameVerdict(t *testing.T, file string, answer *harness.Answer, said *checked) {
	t.Helper()
	words, denied := answer.Denied()
	if answer.Err != nil && !denied {
		t.Fatalf("%s: %v", file, answer.Err)
	}
	wantVerdict := decision.VerdictAllow
	switch {
	case denied:
		wantVerdict = decision.VerdictDeny
	case slices.ContainsFunc(said.Findings, func(f decision.Finding) bool { return f.Warns() }):
		wantVerdict = decision.VerdictWarn
	}
	if said.Verdict != wantVerdict {
		t.Errorf("%s: taffrail check says %s, the API server %s", file, said.Verdict, wantVerdict)
	}
	d := &decision.Decision{Findings: said.Findings, Fills: said.Filled}
	// The API server moves stringData to data before admission, while the message about a file names the field
	// in the file.
	denial := strings.ReplaceAll(d.Denial(decision.Subject(said.Kind, said.Namespace, said.Name)), "stringData[", "data[")
	if diff := diff(words, denial); diff != "" {
		t.Errorf("%s: the denial (-API server +taffrail check):\n%s", file, diff)
	}
	// Mutating webhooks warn first. The order among them does not matter here.
	warnings := slices.Sorted(slices.Values(append(d.Warnings(), d.FillWarnings()...)))
	if diff := diff(slices.Sorted(slices.Values(answer.Warnings)), warnings); diff != "" {
		t.Errorf("%s: the warnings (-API server +taffrail check):\n%s", file, diff)
	}
}

// check runs taffrail check, which may find violations but no invalid input.
func check(t *testing.T, args ...string) []checked {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), cluster.Binary, append([]string{"check", "-o", "json"}, args...)...).Output()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) && failed.ExitCode() != 1 {
		t.Fatalf("taffrail check: %v\n%s", err, failed.Stderr)
	} else if err != nil && failed == nil {
		t.Fatal(err)
	}
	var report struct {
		Objects []checked `json:"objects"`
	}
	must(t, json.Unmarshal(out, &report))
	return report.Objects
}
