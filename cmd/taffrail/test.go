package main

import (
	"errors"

	"github.com/spf13/cobra"

	"taffrail.dev/webhook/rego/regotest"
	"taffrail.dev/webhook/report"
)

// errNoTests is returned if there is nothing to test, so that a mistyped path does not pass.
var errNoTests = errors.New("there is no policy with a test or a case")

// testFlags are the flags of taffrail test.
type testFlags struct {
	coverage bool
	output   *choice
}

func newTestCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "test [DIR…]",
		Short: "Run the tests and cases of policies",
		Long: `Run the tests and cases of policies in the folders that you name, or in the working
directory.

A policy is either a Policy object in a YAML file, or a Rego file as in Taffrail's own
library. Its Rego tests are the rules named test_… in *_test.rego files next to it. Its
cases are objects, each with the findings that are expected for it, in the folder cases
next to it. Tests and cases run under the same limits as in the cluster.

Exit codes:
  0  all tests and cases passed
  1  some tests or cases failed
  2  incorrect usage, a policy or test that cannot be read, or nothing to test`,
		Example: `  taffrail test
  taffrail test --coverage my-policies/
  taffrail test -o json my-policies/no-host-network`,
	}
	var f testFlags
	command.Flags().BoolVar(&f.coverage, "coverage", false, "show the lines of the policies that no test or case evaluates")
	f.output = addChoice(command, "output", "o", "output format", "text", "json")
	command.RunE = func(command *cobra.Command, args []string) error {
		if len(args) == 0 {
			args = []string{"."}
		}
		return test(command, args, &f)
	}
	return command
}

func test(command *cobra.Command, paths []string, f *testFlags) error {
	catalog, err := library()
	if err != nil {
		return err
	}
	tested, err := regotest.Run(command.Context(), catalog, paths, f.coverage)
	if err != nil {
		return err
	}
	if f.output.value == "json" {
		err = tested.WriteJSON(command.OutOrStdout())
	} else {
		err = report.PolicyTestText(command.OutOrStdout(), command.ErrOrStderr(), tested, f.coverage)
	}
	switch {
	case err != nil:
		return err
	case len(tested.Errors) > 0:
		return errUntested
	case tested.Empty():
		return errNoTests
	case tested.Failed():
		return errViolations
	}
	return nil
}

var errUntested = errors.New("some policies could not be tested")
