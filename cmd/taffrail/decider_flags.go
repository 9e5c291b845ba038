package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
)

// configurationFlags select the configuration to decide by.
type configurationFlags struct {
	maxMode *choice
	engine  *choice

	sourceFlags
	policyFlags
}

func (f *configurationFlags) add(command *cobra.Command) {
	f.policyFlags.add(command)
	f.sourceFlags.add(command)
	f.maxMode = addMaxMode(command)
	f.engine = addEngine(command)
}

// deciderFlags are the flags of all commands that decide manifests.
type deciderFlags struct {
	namespace string

	configurationFlags
	inputFlags
}

func (f *deciderFlags) add(command *cobra.Command) {
	f.inputFlags.add(command)
	f.configurationFlags.add(command)
	command.Flags().StringVarP(&f.namespace, "namespace", "n", "", `namespace of objects that do not name one (default "default", or with --live that of the context)`)
}

// addMaxMode adds the flag --max-mode, whose value decision.ParseMode parses.
func addMaxMode(command *cobra.Command) *choice {
	return addChoice(command, "max-mode", "", "maximum mode of all Guardrails", "enforce", "warn", "audit")
}

// addFailOn adds the flag --fail-on, whose value decision.ParseVerdict parses.
func addFailOn(command *cobra.Command) *choice {
	return addChoice(command, "fail-on", "", "least severe verdict for which the exit code is 1", "deny", "unknown", "warn")
}

// prepare returns what a command needs before it decides manifests: the paths to read, the least
// severe verdict that fails, and the decider. It writes the notes about the configuration.
func (f *deciderFlags) prepare(ctx context.Context, command *cobra.Command, args []string, failOn *choice) ([]string, decision.Verdict, *decider, error) {
	paths, err := f.paths(command, args)
	if err != nil {
		return nil, 0, nil, err
	}
	least, err := decision.ParseVerdict(failOn.value)
	if err != nil {
		return nil, 0, nil, err
	}
	decider, err := f.decider(ctx, command)
	if err != nil {
		return nil, 0, nil, err
	}
	if err := writeExpired(command.ErrOrStderr(), decider.snapshot.Exemptions(), time.Now()); err != nil {
		return nil, 0, nil, err
	}
	if err := decider.source.writeNotes(command.ErrOrStderr()); err != nil {
		return nil, 0, nil, err
	}
	return paths, least, decider, nil
}

// decider compiles the configuration that the flags select.
func (f *deciderFlags) decider(ctx context.Context, command *cobra.Command) (*decider, error) {
	if reasons := validation.IsDNS1123Label(f.namespace); f.namespace != "" && len(reasons) > 0 {
		return nil, &usageError{fmt.Errorf("--namespace %q: %s", f.namespace, strings.Join(reasons, "; "))}
	}
	c, err := f.configuration(ctx, command)
	if err != nil {
		return nil, err
	}
	namespace := f.namespace
	if namespace == "" {
		namespace = c.source.namespace
	}
	return c.decider(namespace), nil
}

// configuration is a compiled configuration.
type configuration struct {
	source   *source
	snapshot *config.Snapshot
	maxMode  decision.Mode
}

// decider returns what decides by the configuration. namespace is that of objects that do not name one.
func (c *configuration) decider(namespace string) *decider {
	return &decider{
		catalog: c.snapshot.Catalog(), snapshot: c.snapshot, namespace: namespace, source: c.source, options: pipeline.Options{MaxMode: c.maxMode},
	}
}

// configuration compiles the configuration that the flags select.
func (f *configurationFlags) configuration(ctx context.Context, command *cobra.Command) (*configuration, error) {
	catalog, err := loadCatalog(f.engine)
	if err != nil {
		return nil, err
	}
	from, err := f.source(ctx, catalog)
	if err != nil {
		return nil, err
	}
	maxMode, err := f.effectiveMaxMode(command, from)
	if err != nil {
		return nil, err
	}
	snapshot, err := f.snapshot(ctx, catalog, from)
	if err != nil {
		return nil, err
	}
	return &configuration{from, snapshot, maxMode}, nil
}

// effectiveMaxMode returns the maximum mode: that of the flag, or else that of the server.
func (f *configurationFlags) effectiveMaxMode(command *cobra.Command, from *source) (decision.Mode, error) {
	if !command.Flags().Changed("max-mode") && from.maxMode != 0 {
		return from.maxMode, nil
	}
	return decision.ParseMode(f.maxMode.value)
}

// snapshot compiles the configuration. Errors in what a cluster stores are notes: the valid parts
// are in force there.
func (f *configurationFlags) snapshot(ctx context.Context, catalog *rego.Catalog, from *source) (*config.Snapshot, error) {
	objects := from.objects
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
			wrong := &config.Error{Source: problem.Kind + " " + problem.Name, Field: err.Field, Reason: err.ErrorBody()}
			if from.isStored(problem.Kind, problem.Name) {
				from.note("not in force: %s", wrong)
				continue
			}
			errs = append(errs, wrong)
		}
	}
	return snapshot, errors.Join(errs...)
}

// writeExpired writes a note for each expired Exemption: a reader who expects a finding to be
// exempted would otherwise look for the reason in vain.
func writeExpired(w io.Writer, exemptions config.Exemptions, now time.Time) error {
	for _, e := range exemptions {
		if now.Before(e.Until) {
			continue
		}
		if _, err := fmt.Fprintf(w, "note: Exemption %s expired at %s and has no effect\n", e.Name, decision.TimeText(e.Until)); err != nil {
			return err
		}
	}
	return nil
}
