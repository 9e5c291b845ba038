package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/report"
)

func newPoliciesCommand() *cobra.Command {
	list := newPoliciesListCommand()
	command := &cobra.Command{
		Use:   "policies",
		Short: "Show the policy catalog",
		Long:  "Show the policies that are available, as their METADATA describes them. Without a subcommand, list them.",
		Args:  onlySubcommands,
		RunE:  list.RunE,

		SuggestFor: []string{"policy", "rules", "rule", "list"},
	}
	command.Flags().AddFlagSet(list.Flags())
	command.AddCommand(list, newPoliciesShowCommand())
	return command
}

func newPoliciesListCommand() *cobra.Command {
	command := &cobra.Command{Use: "list", Short: "List the policies", Args: usage(cobra.NoArgs)}
	output := addChoice(command, "output", "o", "output format", "text", "json", "markdown")
	command.RunE = func(command *cobra.Command, _ []string) error {
		catalog, err := library()
		if err != nil {
			return err
		}
		switch output.value {
		case "json":
			return report.PoliciesJSON(command.OutOrStdout(), catalog.Policies())
		case "markdown":
			return report.PoliciesMarkdown(command.OutOrStdout(), catalog.Policies())
		}
		return report.PolicyTable(command.OutOrStdout(), catalog.Policies())
	}
	return command
}

func newPoliciesShowCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "show ID",
		Short: "Show one policy: what it decides, its parameters, and how to bind it",
		Args:  usage(cobra.ExactArgs(1)),
	}
	output := addChoice(command, "output", "o", "output format", "text", "json")
	paths := command.Flags().StringArrayP("config", "c", nil, "additional file or folder of Policies to show (repeatable)")
	command.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		catalog, err := library()
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return config.IDs(catalog), cobra.ShellCompDirectiveNoFileComp
	}
	command.RunE = func(command *cobra.Command, args []string) error {
		catalog, err := catalogWith(*paths)
		if err != nil {
			return err
		}
		policy, found := catalog.Policy(args[0])
		if !found {
			return unknownPolicy(args[0], catalog)
		}
		if output.value == "json" {
			return report.PolicyJSON(command.OutOrStdout(), policy)
		}
		return report.PolicyText(command.OutOrStdout(), policy)
	}
	return command
}

// catalogWith returns the library's policies and the Policies in the given paths.
func catalogWith(paths []string) (*rego.Catalog, error) {
	own, err := library()
	if err != nil || len(paths) == 0 {
		return own, err
	}
	set, errs := config.LoadFiles(paths...)
	if errs = append(errs, set.Check(own)...); len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return config.ResolvePolicies(set.Objects().Policies, own).Catalog, nil
}

func unknownPolicy(id string, catalog *rego.Catalog) error {
	if near := config.Nearest(id, config.IDs(catalog)); near != "" {
		return fmt.Errorf("there is no policy %q: did you mean %q?", id, near)
	}
	return fmt.Errorf("there is no policy %q: see taffrail policies list", id)
}
