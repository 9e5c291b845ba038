package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// The exit codes of all commands. They distinguish a violation from a check that did not run.
const (
	exitClean      = 0
	exitViolations = 1
	exitError      = 2
)

const exitHelp = `Exit codes:
  0  no violations
  1  violations, as --fail-on defines them
  2  incorrect usage, unreadable input, or an internal error`

// errViolations makes run return exitViolations without printing an error.
var errViolations = errors.New("violations")

// streams are the standard streams of a command.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, program program, args []string, s streams) int {
	root := newRootCommand() //nolint:contextcheck // cobra hands ctx to every command
	program.rename(root)
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	command, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return exitClean
	case errors.Is(err, errViolations):
		return exitViolations
	}
	for _, one := range rego.Errors(err) {
		fmt.Fprintln(s.err, "error:", program.text(root, decision.Printable(one.Error()))) //nolint:errcheck // there is nowhere left to report it
	}
	if usage := new(usageError); errors.As(err, &usage) {
		fmt.Fprintf(s.err, "Run '%s --help' for usage.\n", command.CommandPath()) //nolint:errcheck // as above
	}
	return exitError
}

// usageError is returned for a mistake on the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "taffrail",
		Short: "Guardrails for Kubernetes objects, in CI and at admission",
		Long: `Taffrail evaluates Rego policies for Kubernetes objects: in a pipeline with
"taffrail check", and in a cluster as an admission webhook with "taffrail serve".
Both return the same verdicts and messages.

` + exitHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          onlySubcommands,
		RunE:          func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	root.SetFlagErrorFunc(suggestFlag)
	root.AddCommand(newCheckCommand(), newFixCommand(), newPoliciesCommand(), newTestCommand(), newServeCommand(), newCRDsCommand(),
		newSelfTestCommand(), newExportCommand(), newExplainCommand(), newAuditCommand(), newReplayCommand(), newVersionCommand())
	return root
}

// usage returns errors of an argument check as a usageError.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if err := check(command, args); err != nil {
			return &usageError{err}
		}
		return nil
	}
}
