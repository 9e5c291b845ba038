package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// choice is a flag that takes one of a few words.
type choice struct {
	value string
	words []string
}

func (c *choice) String() string { return c.value }

func (c *choice) Set(word string) error {
	if !slices.Contains(c.words, word) {
		return fmt.Errorf("use one of %s", strings.Join(c.words, ", "))
	}
	c.value = word
	return nil
}

// Type is what --help prints after the flag.
func (c *choice) Type() string { return strings.Join(c.words, "|") }

// addChoice adds a flag whose default is the first word, completed by the shell.
func addChoice(command *cobra.Command, name, short, description string, words ...string) *choice {
	c := &choice{value: words[0], words: words}
	command.Flags().VarP(c, name, short, description)
	// It fails for a flag that is not there or is given twice; neither is the case.
	_ = command.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	return c
}
