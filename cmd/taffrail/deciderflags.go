package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"taffrail.dev/webhook/engine"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/review"
)

// deciderFlags are the flags of every command that decides manifests.
type deciderFlags struct {
	config    []string
	namespace string
	maxMode   *choice
}

func (f *deciderFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.StringArrayVarP(&f.config, "config", "c", nil, "file or folder of Guardrails, instead of the built-in ones (repeatable)")
	flags.StringVarP(&f.namespace, "namespace", "n", "default", "namespace of objects that name none")
	f.maxMode = addChoice(command, "max-mode", "", "a ceiling for the modes of all Guardrails", "enforce", "warn", "audit")
}

// addFailOn adds the flag that verdict takes.
func addFailOn(command *cobra.Command) *choice {
	return addChoice(command, "fail-on", "", "the mildest verdict that makes the exit code 1", "deny", "unknown", "warn")
}

// decider compiles the Guardrails that the flags name.
func (f *deciderFlags) decider(ctx context.Context, catalog *engine.Catalog) (*decider, error) {
	if reasons := validation.IsDNS1123Label(f.namespace); len(reasons) > 0 {
		return nil, &usageError{fmt.Errorf("--namespace %q: %s", f.namespace, strings.Join(reasons, "; "))}
	}
	ceiling, err := review.ParseMode(f.maxMode.value)
	if err != nil {
		return nil, err
	}
	snapshot, err := buildSnapshot(ctx, catalog, f.config)
	if err != nil {
		return nil, err
	}
	return &decider{snapshot: snapshot, namespace: f.namespace, options: pipeline.Options{MaxMode: ceiling}}, nil
}
