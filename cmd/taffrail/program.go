package main

import (
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// program is how a user calls this program: taffrail, or kubectl taffrail.
type program string

const (
	standalone    program = "taffrail"
	kubectlPlugin program = "kubectl taffrail"
)

// programOf returns the program for the path that it was started by. kubectl runs a program named
// kubectl-taffrail for "kubectl taffrail".
func programOf(path string) program {
	if strings.TrimSuffix(filepath.Base(path), ".exe") == "kubectl-taffrail" {
		return kubectlPlugin
	}
	return standalone
}

// rename makes the texts of a command and all below it call the program by its name.
func (p program) rename(root *cobra.Command) {
	if p == standalone {
		return
	}
	// It replaces the name in usage lines and in error messages of cobra.
	root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: string(p)}
	p.renameTexts(root, root)
}

func (p program) renameTexts(root, command *cobra.Command) {
	command.Long, command.Example = p.text(root, command.Long), p.text(root, command.Example)
	for _, sub := range command.Commands() {
		p.renameTexts(root, sub)
	}
}

// text returns a text in which calls of the program are by its name.
func (p program) text(root *cobra.Command, text string) string {
	if p == standalone {
		return text
	}
	var names []string
	for _, command := range root.Commands() {
		names = append(names, command.Name())
	}
	call := regexp.MustCompile(`\b(?:kubectl )?taffrail (` + strings.Join(names, "|") + `)\b`)
	return call.ReplaceAllString(text, string(p)+" $1")
}
