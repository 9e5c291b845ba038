package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/report"
)

// auditFlags are the flags of taffrail audit.
type auditFlags struct {
	configurationFlags
	contexts, namespaces, ownerLabels []string
	allNamespaces, secrets, verbose   bool
	labels, compare                   string
	output, failOn                    *choice
}

func newAuditCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "audit",
		Short: "Decide the existing objects of clusters",

		SuggestFor: []string{"scan", "inspect", "violations"},
		Long: `Decide the objects that exist in a cluster as if they were created now, whether or not
Taffrail is installed in it. Nothing in the cluster is changed.

The Guardrails, Exemptions, Policies and facts are those of the cluster, and no mode is
stricter than the maximum mode of its server; --max-mode enforce shows what enforcement
would deny. --config names other Guardrails. If there are none and Taffrail is not
installed, the built-in Guardrails apply.

Objects that a built-in controller makes from a template, such as the Pods of a
Deployment, are left out: the template is decided. Secrets are read only with --secrets.

As with kubectl, the audit is of the namespace of the context unless -n names others or
-A selects all. Objects that are in no namespace are decided with -A. With several
--context flags, the report is about all of these clusters, and says in which Guardrails
they differ.

What you are not permitted to read is named, the rest is decided, and the exit code is 2.
An interrupt (Ctrl-C) ends the audit and prints what has been decided.

--compare takes an earlier report in JSON, of the same clusters and namespaces, and says
which findings are new, gone or unchanged. With -l, none is gone: an object may have lost
the labels. What Exemptions exempt is not compared.

Exit codes:
  0  no violations
  1  violations, as --fail-on defines them
  2  incorrect usage, something that could not be read or decided, or an interrupt; the
     rest is printed`,
		Example: `  taffrail audit -A
  taffrail audit -n shop,pay --max-mode enforce
  taffrail audit -A -l team=payments -o html > report.html
  taffrail audit -A --context prod --context staging
  taffrail audit -A -o json > today.json
  taffrail audit -A --compare today.json`,
		Args: usage(cobra.NoArgs),
	}
	var f auditFlags
	f.add(command)
	command.RunE = func(command *cobra.Command, _ []string) error { return runAudit(command, &f) }
	return command
}

func (f *auditFlags) add(command *cobra.Command) {
	// The source is always a cluster, whose flags are these.
	f.policyFlags.add(command)
	f.maxMode = addMaxMode(command)
	f.engine = addEngine(command)
	flags := command.Flags()
	flags.StringArrayVarP(&f.config, "config", "c", nil, configHelp)
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", kubeconfigHelp)
	flags.StringArrayVar(&f.contexts, "context", nil, "context of the kubeconfig file (repeatable; default: its current one)")
	flags.StringSliceVarP(&f.namespaces, "namespace", "n", nil, "decide the objects of this namespace (repeatable; default: that of the context)")
	flags.BoolVarP(&f.allNamespaces, "all-namespaces", "A", false, "decide the objects of all namespaces, and those that are in none")
	flags.StringVarP(&f.labels, "selector", "l", "", "decide only objects with these labels, as in team=payments,tier!=test")
	flags.BoolVar(&f.secrets, "secrets", false, "read Secrets too; their values are never printed")
	addOwnerLabels(command, &f.ownerLabels)
	flags.StringVar(&f.compare, "compare", "", "earlier report in JSON to compare with")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "list exempted findings too")
	f.output = addChoice(command, "output", "o", "output format", "table", "json", "sarif", "junit", "html", "openreports")
	f.failOn = addFailOn(command)
	command.MarkFlagsMutuallyExclusive("namespace", "all-namespaces")
}

// check returns an error for values that the flags do not accept.
func (f *auditFlags) check() error {
	for _, name := range f.namespaces {
		if reasons := validation.IsDNS1123Label(name); len(reasons) > 0 {
			return fmt.Errorf("--namespace %q: %s", name, strings.Join(reasons, "; "))
		}
	}
	if _, err := labels.Parse(f.labels); err != nil {
		return fmt.Errorf("--selector: %w", err)
	}
	seen := map[string]bool{}
	for _, name := range f.contexts {
		if seen[name] {
			return fmt.Errorf("--context %s is there twice", name)
		}
		seen[name] = true
	}
	if f.output.value == "openreports" && len(f.contexts) > 1 {
		return errors.New("a Report does not name its cluster: use -o openreports with one --context")
	}
	return nil
}

func runAudit(command *cobra.Command, f *auditFlags) error {
	if err := f.check(); err != nil {
		return &usageError{err}
	}
	failOn, err := decision.ParseVerdict(f.failOn.value)
	if err != nil {
		return err
	}
	earlier, err := f.earlier()
	if err != nil {
		return err
	}
	// An interrupt ends the audit and prints what it has. The next one ends the process.
	ctx, stop := signal.NotifyContext(command.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	clusters, err := f.clusters(ctx, command)
	if err != nil {
		return err
	}
	raiseGCPercent()
	a := &auditor{
		flags: f, clusters: clusters, earlier: earlier, printer: f.printer(command, clusters, failOn), progress: f.progress(command),
	}
	if err := a.run(ctx); err != nil {
		return err
	}
	if err := report.ErrorText(command.ErrOrStderr(), &a.totals); err != nil {
		return err
	}
	if err := verdict(a.totals.Summary, failOn); !errors.Is(err, errUndecided) {
		return err
	}
	return errUnaudited
}

// errUnaudited is returned if a part of a cluster has no verdict. The report contains the details.
var errUnaudited = errors.New("some of what was asked for could not be read or decided; the rest is in the report")

// earlier reads the report to compare with. It returns nil if there is none.
func (f *auditFlags) earlier() (*report.Earlier, error) {
	if f.compare == "" {
		return nil, nil //nolint:nilnil // there is nothing to compare with
	}
	content, err := os.ReadFile(f.compare)
	if err != nil {
		return nil, fmt.Errorf("--compare: %w", err)
	}
	earlier, err := report.ReadEarlier(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("--compare %s: %w", f.compare, err)
	}
	return earlier, nil
}

func (f *auditFlags) printer(command *cobra.Command, clusters []*auditedCluster, failOn decision.Verdict) report.Printer {
	out, now := command.OutOrStdout(), time.Now()
	switch f.output.value {
	case "json":
		return report.NewJSON(out)
	case "sarif":
		return report.NewSARIF(out, report.SARIFOptions{Version: version(), Policies: policiesOf(clusters)})
	case "junit":
		return report.NewJUnit(out, failOn, nil)
	case "html":
		return report.NewHTML(out, report.HTMLOptions{Title: auditTitle(clusters), Version: version(), Now: now})
	case "openreports":
		return report.NewOpenReports(out, report.OpenReportsOptions{Name: "taffrail-audit", Now: now})
	}
	return report.NewTable(out, report.TableOptions{Verbose: f.verbose, Clusters: len(f.contexts) > 1})
}

// progress returns what shows how far the audit is. On a terminal, a report that is printed as it is made shows that
// itself.
func (f *auditFlags) progress(command *cobra.Command) *progress {
	if f.output.value == "json" && isTerminal(command.OutOrStdout()) {
		return &progress{}
	}
	return newProgress(command.ErrOrStderr())
}

func auditTitle(clusters []*auditedCluster) string {
	var names []string
	for _, c := range clusters {
		names = append(names, c.name)
	}
	if len(names) == 1 {
		return "Audit of cluster " + decision.Printable(names[0])
	}
	return "Audit of clusters " + decision.Printable(strings.Join(names, ", "))
}

// policiesOf returns the policies of all clusters. Of several with the same id, the first counts.
func policiesOf(clusters []*auditedCluster) []*rego.Policy {
	var all []*rego.Policy
	seen := map[string]bool{}
	for _, c := range clusters {
		if c.decider == nil {
			continue
		}
		for _, p := range c.decider.catalog.Policies() {
			if !seen[p.ID] {
				seen[p.ID] = true
				all = append(all, p)
			}
		}
	}
	return all
}
