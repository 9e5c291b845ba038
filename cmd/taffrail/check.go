package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
	"taffrail.dev/webhook/manifest/repository"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/report"
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

		SuggestFor: []string{"lint", "validate", "verify", "scan", "audit"},
		Long: `Decide manifests as the webhook would if you applied them.

It reads YAML and JSON, including Lists, from files, from folders and everything below
them (*.yaml, *.yml, *.json), and from standard input ("-", or a pipe and no arguments).
Namespaces, LimitRanges, ResourceQuotas, HorizontalPodAutoscalers,
PersistentVolumeClaims and StorageClasses anywhere in the input are used as facts. The
labels of a namespace that is not in the input are unknown: if a Guardrail selects
namespaces by labels, its verdict on such objects is "unknown".

Objects to which no bound policy applies are counted as not checked. In folders, files
that are not objects are skipped and counted: kustomize patches and other files that a
kustomization names, charts, templates, and files without apiVersion and kind. If you
name such a file, it is an error. An object that every API server rejects is an error
too, and a field that none knows is a warning.

Without --config, the built-in Guardrails apply: every policy in every namespace except
those of Kubernetes itself. Policies that would break ordinary namespaces apply only in
namespaces labeled taffrail.dev/exposure=restricted. Use --policy and --skip to select
policies.

With --live, the Guardrails, Exemptions, Policies and facts are those of the cluster in
the kubeconfig file, and no mode is stricter than the maximum mode of its server: each
object is decided as the cluster would decide its creation now. The facts of the input
come on top. What you are not permitted to read is named, the policies that depend on it
report "unknown", and the exit code is 2. --facts reads facts from files instead; -c and
--facts take what "taffrail export" writes.

` + foldersHelp + `

` + exitHelp,
		Example: `  taffrail check deploy/
  kustomize build overlays/prod | taffrail check -n prod
  taffrail check -c guardrails/ -o json deploy/ namespaces.yaml
  taffrail check --live --context prod deploy/
  taffrail check -c prod.yaml --facts prod.yaml deploy/
  taffrail check --exclude charts/ --policy image-tag .
  taffrail check -o sarif deploy/ > taffrail.sarif`,
	}
	var f checkFlags
	f.add(command)
	command.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "list every object, including recorded findings and filled-in values, and every skipped file")
	f.output = addChoice(command, "output", "o", "output format", "text", "json", "sarif", "junit", "github")
	f.failOn = addFailOn(command)
	command.RunE = func(command *cobra.Command, args []string) error {
		return check(command.Context(), command, args, &f)
	}
	return command
}

func check(ctx context.Context, command *cobra.Command, args []string, f *checkFlags) error {
	paths, err := f.paths(command, args)
	if err != nil {
		return err
	}
	failOn, err := decision.ParseVerdict(f.failOn.value)
	if err != nil {
		return err
	}
	decider, err := f.decider(ctx, command)
	if err != nil {
		return err
	}
	if err := writeExpired(command.ErrOrStderr(), decider.snapshot.Exemptions(), time.Now()); err != nil {
		return err
	}
	if err := decider.source.writeNotes(command.ErrOrStderr()); err != nil {
		return err
	}
	raiseGCPercent()
	printer := f.printer(command, decider.catalog, failOn)
	input := manifest.Open(paths, command.InOrStdin(), f.manifestOptions())
	var totals report.Totals
	err = decider.decide(ctx, input, func(piece *report.Report) error {
		totals.Add(piece)
		return printer.Add(piece)
	})
	if err == nil {
		err = printer.Close()
	}
	if err != nil {
		return err
	}
	// With -o github the log contains them already, as workflow commands.
	if f.output.value != "github" {
		if err := report.ErrorText(command.ErrOrStderr(), &totals); err != nil {
			return err
		}
	}
	return decider.conclude(totals.Summary, failOn)
}

// raiseGCPercent makes garbage collection less frequent. Nearly all of the heap is compiled
// policies, which stay in use; the objects are small in comparison.
func raiseGCPercent() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
}

func (f *checkFlags) printer(command *cobra.Command, catalog *rego.Catalog, failOn decision.Verdict) report.Printer {
	out := command.OutOrStdout()
	switch f.output.value {
	case "json":
		return report.NewJSON(out)
	case "sarif":
		return report.NewSARIF(out, report.SARIFOptions{Version: version(), Policies: catalog.Policies(), Repository: repository.NewFinder()})
	case "junit":
		return report.NewJUnit(out, failOn, repository.NewFinder())
	case "github":
		return report.NewGitHub(out, report.GitHubOptions{Verbose: f.verbose, FailOn: failOn, Repository: repository.NewFinder()})
	}
	return report.NewText(out, report.TextOptions{Verbose: f.verbose, Color: useColor(command)})
}

// writeExpired writes a note for each expired Exemption: a reader who expects a finding to be
// exempted would otherwise look for the reason in vain.
func writeExpired(w io.Writer, exemptions config.Exemptions, now time.Time) error {
	for _, e := range exemptions {
		if now.Before(e.Until) {
			continue
		}
		end := e.Until.UTC().Format("2006-01-02 15:04")
		if _, err := fmt.Fprintf(w, "note: Exemption %s expired at %s UTC and has no effect\n", e.Name, end); err != nil {
			return err
		}
	}
	return nil
}

// useColor implements https://no-color.org.
func useColor(command *cobra.Command) bool {
	file, ok := command.OutOrStdout().(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(file.Fd()))
}
