package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
)

// deciderFlags are the flags of all commands that decide manifests.
type deciderFlags struct {
	config    []string
	namespace string
	maxMode   *choice
	engine    *choice

	inputFlags
	policyFlags
}

func (f *deciderFlags) add(command *cobra.Command) {
	f.inputFlags.add(command)
	f.policyFlags.add(command)
	flags := command.Flags()
	flags.StringArrayVarP(&f.config, "config", "c", nil, "file or folder of Guardrails, Exemptions and Policies; without Guardrails the built-in ones hold (repeatable)")
	flags.StringVarP(&f.namespace, "namespace", "n", "default", "namespace of objects that name none")
	f.maxMode = addChoice(command, "max-mode", "", "a ceiling for the modes of all Guardrails", "enforce", "warn", "audit")
	f.engine = addEngine(command)
}

// addFailOn adds the flag --fail-on, whose value decision.ParseVerdict parses.
func addFailOn(command *cobra.Command) *choice {
	return addChoice(command, "fail-on", "", "the mildest verdict that makes the exit code 1", "deny", "unknown", "warn")
}

// decider compiles the configuration that the flags select.
func (f *deciderFlags) decider(ctx context.Context) (*decider, error) {
	if reasons := validation.IsDNS1123Label(f.namespace); len(reasons) > 0 {
		return nil, &usageError{fmt.Errorf("--namespace %q: %s", f.namespace, strings.Join(reasons, "; "))}
	}
	ceiling, err := decision.ParseMode(f.maxMode.value)
	if err != nil {
		return nil, err
	}
	catalog, err := loadCatalog(f.engine)
	if err != nil {
		return nil, err
	}
	snapshot, err := f.snapshot(ctx, catalog)
	if err != nil {
		return nil, err
	}
	return &decider{catalog: snapshot.Catalog(), snapshot: snapshot, namespace: f.namespace, options: pipeline.Options{MaxMode: ceiling}}, nil
}

// snapshot compiles the configuration in the given paths. If it contains no Guardrails, the
// built-in ones apply.
func (f *deciderFlags) snapshot(ctx context.Context, catalog *rego.Catalog) (*config.Snapshot, error) {
	var objects config.Objects
	if len(f.config) > 0 {
		var err error
		if objects, err = loadObjects(f.config, catalog); err != nil {
			return nil, err
		}
	}
	if len(objects.Guardrails) == 0 {
		objects.Guardrails = config.Default(catalog)
	}
	if err := f.choose(&objects, catalog); err != nil {
		return nil, err
	}
	snapshot, problems, err := config.Build(ctx, catalog, objects)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, problem := range problems {
		for _, err := range problem.Errors {
			errs = append(errs, &config.Error{Source: problem.Kind + " " + problem.Name, Field: err.Field, Reason: err.ErrorBody()})
		}
	}
	return snapshot, errors.Join(errs...)
}

// loadObjects loads and checks the configuration. Build repeats the checks, but only files have
// lines to report.
func loadObjects(paths []string, catalog *rego.Catalog) (config.Objects, error) {
	set, errs := config.LoadFiles(paths...)
	errs = append(errs, set.Check(catalog)...)
	return set.Objects(), errors.Join(errs...)
}
