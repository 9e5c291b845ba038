package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// choice is a flag that accepts one of several values.
type choice struct {
	value  string
	values []string
}

func (c *choice) String() string { return c.value }

func (c *choice) Set(word string) error {
	if !slices.Contains(c.values, word) {
		return fmt.Errorf("use one of %s", strings.Join(c.values, ", "))
	}
	c.value = word
	return nil
}

// Type returns the text that --help prints after the flag.
func (c *choice) Type() string { return strings.Join(c.values, "|") }

// addChoice adds a flag with shell completion. Its default is the first value.
func addChoice(command *cobra.Command, name, short, description string, words ...string) *choice {
	c := &choice{value: words[0], values: words}
	command.Flags().VarP(c, name, short, description)
	// It fails only if the flag does not exist or has a completion already.
	_ = command.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	return c
}
