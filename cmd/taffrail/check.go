package main

import (
	"context"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
	"taffrail.dev/webhook/manifest/repository"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/report"
)

// addOwnerLabels adds the flag --owner-labels.
func addOwnerLabels(command *cobra.Command, names *[]string) {
	command.Flags().StringSliceVar(names, "owner-labels", decision.DefaultOwnerLabels(),
		"labels or annotations of an object, or of its namespace, that name its owner; the first that is set counts")
}

// checkFlags are the flags of taffrail check.
type checkFlags struct {
	deciderFlags
	verbose        bool
	ownerLabels    []string
	output, failOn *choice
}

func newCheckCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "check [FILE…|FOLDER|-]",
		Short: "Check manifests as the webhook would",

		SuggestFor: []string{"lint", "validate", "verify"},
		Long: `Check manifests as the webhook would if you applied them.

It reads YAML and JSON, including Lists, from files, from folders and everything below
them (*.yaml, *.yml, *.json), and from standard input ("-", or a pipe and no arguments).
Namespaces, LimitRanges, ResourceQuotas, HorizontalPodAutoscalers,
PersistentVolumeClaims and StorageClasses anywhere in the input are used as facts. The
labels of a namespace that is not in the input are unknown: if a Guardrail selects
namespaces by labels, its verdict on such objects is "unknown".

Objects to which no bound policy applies are counted as not checked. In folders, files
that are not objects are skipped and counted: kustomize patches and other files that a
kustomization names, charts, templates, and files without apiVersion and kind. Naming
such a file is an error. An object that every API server rejects is an error too; a
field that no API server knows is a warning.

Without --config, the built-in Guardrails apply: every policy in every namespace except
those of Kubernetes itself. Policies that would break ordinary namespaces apply only in
namespaces labeled taffrail.dev/exposure=restricted. Use --policy and --skip to select
policies.

With --live, the Guardrails, Exemptions, Policies and facts are those of the cluster in
the kubeconfig file, and no mode is stricter than the maximum mode of its server: each
object is decided as the cluster would decide its creation now. Facts in the input are
added to them. If you are not permitted to read something, the output names it, the
policies that depend on it report "unknown", and the exit code is 2. --facts reads facts
from files instead; -c and --facts take what "taffrail export" writes.

` + foldersHelp + `

` + exitHelp,
		Example: `  taffrail check deploy/
  kustomize build overlays/prod | taffrail check -n prod
  taffrail check -c guardrails/ -o json deploy/ namespaces.yaml
  taffrail check --live --context prod deploy/
  taffrail check -c prod.yaml --facts prod.yaml deploy/
  taffrail check --exclude charts/ --policy image-tag .
  taffrail check -o sarif deploy/ > taffrail.sarif
  taffrail check -o html deploy/ > report.html`,
	}
	var f checkFlags
	f.add(command)
	command.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "list every object, including recorded findings and filled-in values, and every skipped file")
	addOwnerLabels(command, &f.ownerLabels)
	f.output = addChoice(command, "output", "o", "output format", "text", "json", "sarif", "junit", "github", "html")
	f.failOn = addFailOn(command)
	command.RunE = func(command *cobra.Command, args []string) error {
		return check(command.Context(), command, args, &f)
	}
	return command
}

func check(ctx context.Context, command *cobra.Command, args []string, f *checkFlags) error {
	paths, failOn, decider, err := f.prepare(ctx, command, args, f.failOn)
	if err != nil {
		return err
	}
	decider.ownerLabels = f.ownerLabels
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
	case "html":
		return report.NewHTML(out, report.HTMLOptions{Title: "Report of taffrail check", Version: version(), Now: time.Now()})
	}
	return report.NewText(out, report.TextOptions{Verbose: f.verbose, Color: useColor(command)})
}

// useColor implements https://no-color.org.
func useColor(command *cobra.Command) bool {
	file, ok := command.OutOrStdout().(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(file.Fd()))
}
