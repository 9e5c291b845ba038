// Command entries writes files/entries.json of the chart: which policies of the library are
// about the kinds of each webhook entry, so that the chart can leave out an entry that
// nothing bound is about.
//
//	go run ./test/chart/entries          prints the file as it should be
//	go run ./test/chart/entries -w       writes it
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/rego"
)

const file = "charts/taffrail/files/entries.json"

func main() {
	write := flag.Bool("w", false, "write the file")
	flag.Parse()
	if err := run(*write); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(write bool) error {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		return err
	}
	made, err := Entries(catalog.Policies())
	if err != nil {
		return err
	}
	if write {
		return os.WriteFile(file, made, 0o644)
	}
	_, err = os.Stdout.Write(made)
	return err
}

// About is the content of the file. Its lists contain policy ids, sorted.
type About struct {
	Library []string `json:"library"`
	// Entries has the keys of the entries in the chart's values.
	Entries map[string][]string `json:"entries"`
}

// Entries returns the content of the file for the policies of the library.
func Entries(library []*rego.Policy) ([]byte, error) {
	about := About{Entries: map[string][]string{}}
	for _, policy := range library {
		about.Library = append(about.Library, policy.ID)
		keys := []string{"metadata"}
		if policy.Mutates {
			keys = append(keys, "mutate")
		}
		for _, kind := range policy.Kinds {
			keys = append(keys, entryOf(kind))
		}
		slices.Sort(keys)
		for _, key := range slices.Compact(keys) {
			about.Entries[key] = append(about.Entries[key], policy.ID)
		}
	}
	slices.Sort(about.Library)
	for _, ids := range about.Entries {
		slices.Sort(ids)
	}
	made, err := json.MarshalIndent(about, "", "  ")
	return append(made, '\n'), err
}

func entryOf(kind schema.GroupKind) string {
	switch kind {
	case schema.GroupKind{Kind: "Service"}, schema.GroupKind{Kind: "PersistentVolumeClaim"}:
		return "services"
	case schema.GroupKind{Kind: "Secret"}:
		return "secrets"
	case schema.GroupKind{Kind: "ConfigMap"}:
		return "configMaps"
	case schema.GroupKind{Kind: "Namespace"}:
		return "namespaces"
	}
	return "workloads"
}
