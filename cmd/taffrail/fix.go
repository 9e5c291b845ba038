package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
	"taffrail.dev/webhook/report"
)

// errUnfixed is returned if a proposed fix was not applied. The report contains the details.
var errUnfixed = errors.New("some fixes could not be made")

// fixFlags are the flags of taffrail fix.
type fixFlags struct {
	deciderFlags
	diff   bool
	failOn *choice
}

func newFixCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "fix [FILE…|FOLDER|-]",
		Short: "Write the fixes that policies propose into manifests",

		SuggestFor: []string{"autofix", "format", "fmt", "patch"},
		Long: `Write the fixes that policies propose into manifests. Policies propose a fix only if
exactly one answer is safe.

It reads what "taffrail check" reads. Files are rewritten in place; what comes from
standard input is written to standard output. Only the lines of a fix change: comments,
order, quotes and indentation are kept. A document whose style makes that impossible is
left unchanged, and the fix is reported for you to make by hand. If a value is shared
through an anchor, its other uses keep the old value.

A fix is not made if its policy would still object. Standard error lists what was fixed
and what is left for you to fix; the exit code is that of "taffrail check" on the
result. A file is not changed if any part of it cannot be read or decided, unless the
only thing missing is a Namespace that is not in the input.

` + foldersHelp + `

` + exitHelp,
		Example: `  taffrail fix deploy/
  taffrail fix --diff deploy/ namespaces.yaml
  helm template … | taffrail fix - | kubectl apply -f -`,
	}
	var f fixFlags
	f.add(command)
	command.Flags().BoolVar(&f.diff, "diff", false, "print the changes as a unified diff, without credentials, and write nothing")
	f.failOn = addFailOn(command)
	command.RunE = func(command *cobra.Command, args []string) error {
		return fix(command.Context(), command, args, &f)
	}
	return command
}

func fix(ctx context.Context, command *cobra.Command, args []string, f *fixFlags) error {
	paths, failOn, decider, err := f.prepare(ctx, command, args, f.failOn)
	if err != nil {
		return err
	}
	before := manifest.Load(paths, command.InOrStdin(), f.manifestOptions())
	fixer := newFixer(decider, before)
	left, err := fixer.run(ctx)
	if err != nil {
		return err
	}
	for i, file := range fixer.files {
		if err := f.write(command.OutOrStdout(), file, before[i].Data, fixer.isDecided(i)); err != nil {
			return err
		}
	}
	done := "fixed: "
	if f.diff {
		done = "would fix: "
	}
	if err := printFixes(command.ErrOrStderr(), done, fixer, left); err != nil {
		return err
	}
	err = decider.conclude(left.Summary(), failOn)
	if len(fixer.problems) > 0 && !errors.Is(err, errUndecided) {
		return errUnfixed
	}
	return err
}

// write writes a fixed file to its destination. If a part of standard input could not be decided,
// nothing is written: the next command in the pipe must not receive a part of it.
func (f *fixFlags) write(stdout io.Writer, file manifest.File, before []byte, isDecided bool) error {
	switch {
	case f.diff:
		_, err := io.WriteString(stdout, unified(decision.PrintablePath(file.Name), redactedContent(file, before), redactedContent(file, file.Data)))
		return err
	case file.IsStdin && isDecided:
		_, err := stdout.Write(file.Data)
		return err
	case !file.IsStdin && string(before) != string(file.Data):
		return replaceFile(file.Name, file.Data)
	}
	return nil
}

// unified returns the diff between two texts under a file's name, as diff -u writes it, or the
// empty string if they are equal. It begins with the names: patch -p0 needs no line above them.
func unified(name, before, after string) string {
	text := diff.Diff(name, []byte(before), name, []byte(after))
	return strings.TrimPrefix(string(text), fmt.Sprintf("diff %s %s\n", name, name))
}

// printFixes prints what was fixed and what remains, if anything.
func printFixes(stderr io.Writer, done string, fixer *fixer, rep *report.Report) error {
	var b strings.Builder
	for _, line := range fixer.fixed {
		b.WriteString(done + decision.Printable(line) + "\n")
	}
	for _, name := range fixer.skipped {
		b.WriteString("not changed: " + decision.PrintablePath(name) + ": a part of it could not be decided, so none of its fixes were made\n")
	}
	shown := *rep
	shown.Errors = append(shown.Errors, fixer.problems...)
	if s := shown.Summary(); s.Allow+s.NotJudged < s.Objects {
		if err := report.Text(&b, &shown, report.TextOptions{}); err != nil {
			return err
		}
	}
	var totals report.Totals
	totals.Add(&shown)
	if err := report.ErrorText(&b, &totals); err != nil {
		return err
	}
	_, err := fmt.Fprint(stderr, b.String())
	return err
}
