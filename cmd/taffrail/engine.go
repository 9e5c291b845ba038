package main

import (
	"github.com/spf13/cobra"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/rego"
)

// addEngine adds the flag --engine, whose value rego.ParseEngine parses.
func addEngine(command *cobra.Command) *choice {
	return addChoice(command, "engine", "", "engine that evaluates the policies; topdown is OPA's interpreter, which is slower and returns the same findings",
		string(rego.EngineCompiled), string(rego.EngineTopdown))
}

// library returns the library's policies.
func library() (*rego.Catalog, error) { return rego.Load(policies.FS) }

// loadCatalog returns the library's policies, for the engine of the flag.
func loadCatalog(engine *choice) (*rego.Catalog, error) {
	selected, err := rego.ParseEngine(engine.value)
	if err != nil {
		return nil, &usageError{err}
	}
	catalog, err := library()
	if err != nil {
		return nil, err
	}
	return catalog.WithEngine(selected), nil
}
