package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/live"
	"taffrail.dev/webhook/manifest"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/report"
	"taffrail.dev/webhook/request"
)

// explainFlags are the flags of taffrail explain.
type explainFlags struct {
	deciderFlags
	output *choice
}

func newExplainCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "explain KIND/NAME | -f FILE",
		Short: "Show what applies to an object, and why",

		SuggestFor: []string{"why", "describe", "who"},
		Long: `Show what applies to an object: which Guardrails do and why the others do not, the mode in
which each policy is in effect once the maximum mode of the server is applied, which
Exemptions exempt it, which writers are trusted, and which facts about its namespace are
used.

KIND/NAME is an object in the cluster, as kubectl names it, and implies --live. With -f,
it explains the objects in files, against the configuration and the facts that "taffrail
check" would use with the same flags. The content of a Secret is never read.

Exit codes:
  0  explained
  2  incorrect usage, or something could not be read; the rest is explained`,
		Example: `  taffrail explain deploy/web -n shop
  taffrail explain -f deploy/web.yaml --live
  taffrail explain -f deploy/ -c prod.yaml --facts prod.yaml -o json`,
	}
	var f explainFlags
	f.add(command)
	f.output = addChoice(command, "output", "o", "how to print", "text", "json")
	command.RunE = func(command *cobra.Command, args []string) error {
		return explain(command.Context(), command, args, &f)
	}
	return command
}

var errExplainWhat = errors.New("name one object as KIND/NAME, or files with -f")

func explain(ctx context.Context, command *cobra.Command, args []string, f *explainFlags) error {
	if len(args)+min(len(f.files), 1) != 1 {
		return &usageError{errExplainWhat}
	}
	kind, name, named := strings.Cut(strings.Join(args, ""), "/")
	if len(args) == 1 && (!named || kind == "" || name == "" || strings.Contains(name, "/")) {
		return &usageError{fmt.Errorf("%q: %w", args[0], errExplainWhat)}
	}
	if named && len(f.facts) > 0 {
		return &usageError{errors.New("an object in the cluster is explained with the facts of the cluster: leave out --facts")}
	}
	f.live = f.live || named
	decider, err := f.decider(ctx, command)
	if err != nil {
		return err
	}
	if err := decider.source.writeNotes(command.ErrOrStderr()); err != nil {
		return err
	}
	e := &explainer{decider: decider, json: f.output.value == "json", command: command}
	if named {
		err = e.object(ctx, &f.clusterFlags, kind, name)
	} else {
		err = e.files(ctx, f)
	}
	return errors.Join(append(decider.source.unread(), rego.Errors(err)...)...)
}

// explainer prints explanations.
type explainer struct {
	decider *decider
	json    bool
	command *cobra.Command
	printed int
}

// object explains an object of the cluster.
func (e *explainer) object(ctx context.Context, cluster *clusterFlags, kind, name string) error {
	connection, err := cluster.connect()
	if err != nil {
		return err
	}
	object, gvk, err := live.Object(ctx, connection.config, kind, e.decider.namespace, name)
	if err != nil {
		return err
	}
	r, err := request.Live(object, gvk)
	if err != nil {
		return err
	}
	return e.explain(ctx, manifest.Source{}, r, e.decider.source.facts)
}

// files explains the objects of files.
func (e *explainer) files(ctx context.Context, f *explainFlags) error {
	paths, err := f.paths(e.command, nil)
	if err != nil {
		return err
	}
	input := manifest.Open(paths, e.command.InOrStdin(), f.manifestOptions())
	facts := e.decider.facts(input.Facts(e.decider.namespace))
	var errs []error
	found := false
	for item := range input.Items() {
		if item.Skipped() {
			continue
		}
		found = true
		err := item.Err
		if err == nil {
			var r *decision.Request
			if r, err = request.Manifest(item.Object, e.decider.namespace); err == nil {
				err = e.explain(ctx, item.Source, r, facts)
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", item.Source, err))
		}
	}
	if !found {
		return errNoObjects
	}
	return errors.Join(errs...)
}

func (e *explainer) explain(ctx context.Context, at manifest.Source, r *decision.Request, facts pipeline.FactSource) error {
	explanation, err := pipeline.New(e.decider.snapshot, facts, e.decider.options).Explain(ctx, r)
	if err != nil {
		return err
	}
	out := e.command.OutOrStdout()
	explained := &report.Explained{Source: at, Request: r, Explanation: explanation}
	if e.json {
		return report.ExplanationJSON(out, explained)
	}
	if e.printed++; e.printed > 1 {
		if _, err := fmt.Fprintln(out); err != nil {
			return err
		}
	}
	return report.ExplanationText(out, explained)
}
