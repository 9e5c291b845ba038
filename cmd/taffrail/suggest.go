package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"taffrail.dev/webhook/config"
)

// suggestFlag returns the caller's mistake in a flag as a usageError, with the flag that may be meant.
func suggestFlag(command *cobra.Command, err error) error {
	unknown := new(pflag.NotExistError)
	if !errors.As(err, &unknown) {
		return &usageError{err}
	}
	if hint := kubectlHint(unknown.GetSpecifiedName()); hint != "" && command.Flags().Lookup("filename") != nil {
		return &usageError{fmt.Errorf("%w: %s", err, hint)}
	}
	if unknown.GetSpecifiedShortnames() != "" {
		return &usageError{err}
	}
	var names []string
	command.Flags().VisitAll(func(flag *pflag.Flag) {
		if !flag.Hidden {
			names = append(names, flag.Name)
		}
	})
	if near := config.Nearest(unknown.GetSpecifiedName(), names); near != "" {
		return &usageError{fmt.Errorf("%w: did you mean --%s?", err, near)}
	}
	return &usageError{err}
}

// kubectlHint returns the alternative to a flag that kubectl has in addition to --filename.
func kubectlHint(name string) string {
	switch name {
	case "k", "kustomize":
		return "check what kustomize builds: kustomize build DIR | taffrail check -"
	case "R", "recursive":
		return "folders are always read recursively"
	}
	return ""
}

// onlySubcommands rejects an unknown command, and suggests the one that may be meant.
func onlySubcommands(command *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("unknown command %q for %q", args[0], command.CommandPath())
	if near := nearestCommand(command, args[0]); near != "" {
		text += fmt.Sprintf(": did you mean %q?", command.CommandPath()+" "+near)
	} else if _, err := os.Stat(args[0]); err == nil && !command.HasParent() {
		text += fmt.Sprintf(": did you mean %q?", command.CommandPath()+" check "+args[0])
	}
	return &usageError{errors.New(text)}
}

// nearestCommand prefers the names that other tools use to those with similar spelling.
func nearestCommand(command *cobra.Command, word string) string {
	var names []string
	for _, sub := range command.Commands() {
		if !sub.IsAvailableCommand() {
			continue
		}
		for _, other := range sub.SuggestFor {
			if strings.EqualFold(other, word) {
				return sub.Name()
			}
		}
		names = append(names, sub.Name())
	}
	return config.Nearest(word, names)
}
