package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"taffrail.dev/cmd/taffrail/manifest"
	"taffrail.dev/cmd/taffrail/render"
	"taffrail.dev/webhook/engine"
	"taffrail.dev/webhook/guardrail"
	"taffrail.dev/webhook/review"
)

// checkFlags are the flags of taffrail check.
type checkFlags struct {
	deciderFlags
	verbose        bool
	output, failOn *choice
}

func newCheckCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "check [FILE…|DIR|-]",
		Short: "Decide manifests as the webhook would",
		Long: `Decide manifests as the webhook would when they are applied.

Reads YAML and JSON from files, from folders with everything below them (*.yaml,
*.yml, *.json), and from standard input ("-", or nothing named and a pipe), Lists
included. Namespaces, LimitRanges, ResourceQuotas, HorizontalPodAutoscalers,
PersistentVolumeClaims and StorageClasses in the input count as facts, wherever they
stand. The labels of a namespace that is not in the input are unknown; a Guardrail
that selects by them then makes no verdict but "unknown".

Without --config the built-in Guardrails hold: every policy for every namespace but
the cluster's own. Policies that would break ordinary namespaces hold only in those
labelled taffrail.dev/exposure=restricted.

` + exitHelp,
		Example: `  taffrail check deploy/
  kustomize build overlays/prod | taffrail check -n prod
  taffrail check -c guardrails/ -o json deploy/ namespaces.yaml
  taffrail check -o sarif deploy/ > taffrail.sarif`,
	}
	var f checkFlags
	f.add(command)
	command.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "list every object, with what is only recorded and what injections fill in")
	f.output = addChoice(command, "output", "o", "how to print", "text", "json", "sarif", "junit", "github")
	f.failOn = addFailOn(command)
	command.RunE = func(command *cobra.Command, args []string) error {
		return check(command.Context(), command, args, &f)
	}
	return command
}

func check(ctx context.Context, command *cobra.Command, args []string, f *checkFlags) error {
	paths, err := inputs(command, args)
	if err != nil {
		return err
	}
	decider, err := f.decider(ctx)
	if err != nil {
		return err
	}
	if err := writeExpired(command.ErrOrStderr(), decider.snapshot.Exemptions(), time.Now()); err != nil {
		return err
	}
	report := decider.decide(ctx, manifest.Read(paths, command.InOrStdin()))
	if err := write(command, report, decider.catalog, f); err != nil {
		return err
	}
	return verdict(report, review.Verdict(f.failOn.value))
}

func write(command *cobra.Command, report *render.Report, catalog *engine.Catalog, f *checkFlags) error {
	out, failOn := command.OutOrStdout(), review.Verdict(f.failOn.value)
	switch f.output.value {
	case "json":
		return render.JSON(out, report)
	case "sarif":
		return render.SARIF(out, report, render.SARIFOptions{Version: version(), Policies: catalog.Policies()})
	case "junit":
		return render.JUnit(out, report, failOn)
	case "github":
		return render.GitHub(out, report, render.GitHubOptions{Verbose: f.verbose, FailOn: failOn})
	}
	options := render.TextOptions{Verbose: f.verbose, Colour: isColourful(command)}
	if err := render.Text(out, report, options); err != nil {
		return err
	}
	return render.ErrorText(command.ErrOrStderr(), report)
}

// writeExpired names the Exemptions that excuse nothing any more: whoever reads the
// findings would look for them in vain.
func writeExpired(w io.Writer, exemptions guardrail.Exemptions, now time.Time) error {
	for _, e := range exemptions {
		if now.Before(e.Until) {
			continue
		}
		end := e.Until.UTC().Format("2006-01-02 15:04")
		if _, err := fmt.Fprintf(w, "note: Exemption %s expired at %s UTC and excuses nothing\n", e.Name, end); err != nil {
			return err
		}
	}
	return nil
}

// isColourful follows https://no-color.org.
func isColourful(command *cobra.Command) bool {
	file, ok := command.OutOrStdout().(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(file.Fd()))
}
