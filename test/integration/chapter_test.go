package integration

import (
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/golden"
	"taffrail.dev/test/harness"
)

// The complete output for a person who follows the chapter: with the Guardrails enforced in a restricted
// namespace, under warn, and under audit.
func TestChapter(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		labels []string
	}{
		{"enforced", []string{enforced, restricted}},
		{"warned", []string{warned}},
		{"audited", []string{audited}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			logical := "chapter-" + test.name
			namespace := newNamespace(t, logical, test.labels...)
			manifests, err := harness.Chapter(cluster.Root)
			must(t, err)
			var told strings.Builder
			for _, manifest := range manifests {
				object, err := manifest.Object()
				must(t, err)
				if object.GetKind() == "Namespace" {
					continue // only an administrator may create it, and it exists already
				}
				object.SetNamespace(namespace)
				answer := cluster.Alice.Apply(t.Context(), object)
				fmt.Fprintf(&told, "== %s\n%s\n", manifest.File, transcript(t, answer))
			}
			golden.Check(t, "testdata/chapter/"+test.name+".txt", strings.ReplaceAll(told.String(), namespace, logical))
		})
	}
}

// transcript returns everything that a write resulted in.
func transcript(t *testing.T, answer *harness.Answer) string {
	t.Helper()
	var b strings.Builder
	if answer.Err != nil {
		fmt.Fprintln(&b, answer.Err)
	} else {
		fmt.Fprintln(&b, "admitted")
	}
	for _, warning := range answer.Warnings {
		fmt.Fprintln(&b, "warning:", warning)
	}
	notes := annotations(t, answer)
	for _, key := range slices.Sorted(maps.Keys(notes)) {
		fmt.Fprintf(&b, "audit log: %s=%s\n", key, notes[key])
	}
	return b.String()
}

// The values of a refused Secret appear nowhere except in the request.
func TestSecretValuesAreNowhere(t *testing.T) {
	t.Parallel()
	for mode, label := range map[string]string{"enforce": enforced, "warn": warned, "audit": audited} {
		namespace := newNamespace(t, "secret-"+mode, label)
		answer := cluster.Alice.Create(t.Context(), chapter(t, "21_db_config", namespace))
		if mode == "enforce" {
			deny(t, mode, answer)
		}
		transcript := transcript(t, answer)
		metrics, err := taffrail.Metrics(t.Context())
		must(t, err)
		log, err := os.ReadFile(filepath.Join(cluster.Dir, "logs", "taffrail-main.log"))
		must(t, err)
		audit, err := os.ReadFile(filepath.Join(cluster.Dir, "audit.log"))
		must(t, err)
		for where, text := range map[string]string{
			"the answer": transcript, "the metrics": metrics, "the log": string(log), "the audit log": string(audit),
		} {
			if !strings.Contains(where, "metrics") && !strings.Contains(text, "plaintext-secret") {
				t.Errorf("%s: %s does not even name the policy", mode, where)
			}
			for _, value := range []string{harness.SecretValue, base64.StdEncoding.EncodeToString([]byte(harness.SecretValue))} {
				if strings.Contains(text, value) {
					t.Errorf("%s: the value is in %s", mode, where)
				}
			}
		}
	}
}

// A dry run gets the same answer and leaves nothing behind.
func TestDryRun(t *testing.T) {
	t.Parallel()
	for mode, label := range map[string]string{"enforce": enforced, "warn": warned} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			namespace := newNamespace(t, "dry-"+mode, label)
			dry := cluster.Alice.Create(t.Context(), chapter(t, "02_nginx_k8s", namespace), client.DryRunAll)
			if exists, err := cluster.Exists(t.Context(), chapter(t, "02_nginx_k8s", namespace)); err != nil || exists {
				t.Errorf("the object is there: %v, %v", exists, err)
			}
			log, err := os.ReadFile(filepath.Join(cluster.Dir, "logs", "taffrail-main.log"))
			must(t, err)
			if strings.Contains(string(log), namespace) {
				t.Error("the dry run is in the log")
			}
			wet := cluster.Alice.Create(t.Context(), chapter(t, "02_nginx_k8s", namespace))
			if mode == "enforce" {
				deny(t, "a dry run", dry)
			} else if len(dry.Warnings) == 0 {
				t.Error("a dry run is not warned about")
			}
			if diff := diff(transcript(t, wet), transcript(t, dry)); diff != "" {
				t.Errorf("a dry run gets another answer (-real +dry):\n%s", diff)
			}
		})
	}
}
