package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
	"taffrail.dev/webhook/report"
	"taffrail.dev/webhook/yamldoc"
	"taffrail.dev/webhook/yamldoc/edit"
)

var (
	// errStays says that a policy is not content with its own fix.
	errStays = errors.New("the policy still objects after it")
	// errUndecidable says that a fix would make something that cannot be decided.
	errUndecidable = errors.New("its file could not be decided after it")
)

// fixer applies what findings propose to files, in memory.
type fixer struct {
	decider *decider
	files   []manifest.File

	// fixed tells in lines what was done.
	fixed []string
	// problems are fixes that could not be made.
	problems []report.Problem
	// left are the files that have fixes and are left alone.
	left []string
	// refused are those fixes, never to be tried again.
	refused map[identity]bool
	// undecided are the files that are left alone, by their index: those with anything in them
	// that has no whole decision, or is no object, so that a diff could not tell which of their
	// text is a Secret's.
	undecided map[int]bool
}

// identity knows a finding again in the next decision.
type identity struct {
	file, item                            int
	policy, container, key, path, message string
}

// proposal is the fix of one finding.
type proposal struct {
	identity
	subject string
	from    manifest.Item
	patch   []decision.PatchOperation
}

// state is files together with what was decided about them.
type state struct {
	files    []manifest.File
	items    [][]manifest.Item
	outcomes [][]outcome
}

// run fixes round by round until nothing is left to fix, and reports what then remains.
func (f *fixer) run(ctx context.Context) (*report.Report, error) {
	f.refused, f.undecided = map[identity]bool{}, map[int]bool{}
	now := f.decide(ctx, f.files)
	withheld := f.proposals(now)
	for i, outcomes := range now.outcomes {
		f.undecided[i] = slices.ContainsFunc(outcomes, outcome.isUndecided) || slices.ContainsFunc(now.items[i], isNoObject)
	}
	f.leave(withheld)
	// Every round makes or refuses a fix. Fixes may bring up others, but not without end.
	for rounds := 20 + 2*len(f.proposals(now)); ; rounds-- {
		plan := disjoint(f.proposals(now))
		if len(plan) == 0 {
			break
		}
		if rounds == 0 {
			return nil, fmt.Errorf("the fixes of policy %s come up again and again: nothing was written", plan[0].policy)
		}
		files, made := f.apply(now, plan)
		next := f.decide(ctx, files)
		if !f.refuseStaying(made, now, next) {
			continue
		}
		for _, p := range made {
			f.fixed = append(f.fixed, p.String())
		}
		now = next
	}
	f.files = now.files
	return reportOf(slices.Concat(now.outcomes...)), nil
}

// isDecided reports whether there is a whole decision about everything in a file. Any other
// file is left alone: what could not be decided may be what makes a fix wrong.
func (f *fixer) isDecided(file int) bool { return !f.undecided[file] }

// leave reports the files with fixes that are not made because a part of them is undecided.
func (f *fixer) leave(withheld []proposal) {
	told := map[int]bool{}
	for _, p := range withheld {
		if f.undecided[p.file] && !told[p.file] {
			told[p.file] = true
			f.left = append(f.left, f.files[p.file].Name)
		}
	}
}

// isUndecided reports whether an item has no decision, or one without some policy's say: the
// cluster may then admit it or refuse it, but nobody knows what is right. A
// Namespace that is missing from the input leaves a verdict open, but not what a fix should be.
func (o outcome) isUndecided() bool {
	return len(o.problems) > 0 || slices.ContainsFunc(findings(o), func(f decision.Finding) bool { return f.Failed })
}

// isNoObject reports whether an item is something else than an object or a blank.
func isNoObject(item manifest.Item) bool { return item.Err != nil && !item.IsBlank() }

func (f *fixer) decide(ctx context.Context, files []manifest.File) *state {
	s := &state{files: files}
	var all []manifest.Item
	for _, file := range files {
		items := file.Items()
		s.items = append(s.items, items)
		all = append(all, items...)
	}
	outcomes := f.decider.outcomes(ctx, all)
	for _, items := range s.items {
		s.outcomes = append(s.outcomes, outcomes[:len(items)])
		outcomes = outcomes[len(items):]
	}
	return s
}

// proposals are the fixes that may be tried, in the order of the input.
func (f *fixer) proposals(s *state) []proposal {
	var proposals []proposal
	for i, outcomes := range s.outcomes {
		if f.undecided[i] {
			continue
		}
		for j, o := range outcomes {
			for _, finding := range findings(o) {
				p := proposal{identityOf(i, j, finding), o.object.Request.Subject(), s.items[i][j], finding.Fix}
				if len(finding.Fix) > 0 && !finding.Exempted() && finding.Unknown == "" && !f.refused[p.identity] {
					proposals = append(proposals, p)
				}
			}
		}
	}
	return proposals
}

func findings(o outcome) []decision.Finding {
	if o.object == nil {
		return nil
	}
	return o.object.Decision.Findings
}

func identityOf(file, item int, f decision.Finding) identity {
	return identity{file, item, f.Policy, f.Container, f.Key, f.Path, f.Message}
}

// disjoint leaves out what touches a path that an earlier one touches: it was made for
// the object as it is, and will be made anew for the object as it will be.
func disjoint(proposals []proposal) []proposal {
	type object struct{ file, item int }
	touched := map[object][]decision.Pointer{}
	return slices.DeleteFunc(proposals, func(p proposal) bool {
		at := object{p.file, p.item}
		paths := paths(p.patch)
		for _, path := range paths {
			for _, other := range touched[at] {
				if path.Within(other) || other.Within(path) {
					return true
				}
			}
		}
		touched[at] = append(touched[at], paths...)
		return false
	})
}

// paths are what a patch touches. Where an element comes or goes, its whole list moves.
func paths(patch []decision.PatchOperation) []decision.Pointer {
	var paths []decision.Pointer
	for _, o := range patch {
		path := o.Path
		if slash := strings.LastIndexByte(path, '/'); slash >= 0 && (o.Op == "add" || o.Op == "remove") {
			if last := path[slash+1:]; last == "-" || last != "" && strings.Trim(last, "0123456789") == "" {
				path = path[:slash]
			}
		}
		paths = append(paths, decision.Pointer(path))
	}
	return paths
}

// apply makes fixes, document by document. It returns those that could be made.
func (f *fixer) apply(s *state, plan []proposal) (files []manifest.File, made []proposal) {
	files = slices.Clone(s.files)
	byDocument := map[*yamldoc.Document][]proposal{}
	var documents []*yamldoc.Document
	for _, p := range plan {
		if byDocument[p.from.Document] == nil {
			documents = append(documents, p.from.Document)
		}
		byDocument[p.from.Document] = append(byDocument[p.from.Document], p)
	}
	// From the last on, so that the places of those above stay what they are.
	for _, document := range slices.Backward(documents) {
		text, ok := f.applyAll(document.Text, byDocument[document])
		if len(ok) == 0 {
			continue
		}
		made = append(ok, made...)
		file := &files[ok[0].file]
		file.Data = slices.Concat(file.Data[:document.Start], text, file.Data[document.Start+len(document.Text):])
	}
	return files, made
}

// applyAll writes the fixes into a document at once and, where that cannot be done, half
// by half, to find out which of them it is.
func (f *fixer) applyAll(text []byte, proposals []proposal) ([]byte, []proposal) {
	fixed, err := patched(text, proposals)
	if err == nil {
		return fixed, proposals
	}
	if len(proposals) == 1 {
		f.refuse(proposals[0], err)
		return text, nil
	}
	half := len(proposals) / 2
	text, first := f.applyAll(text, proposals[:half])
	text, second := f.applyAll(text, proposals[half:])
	return text, slices.Concat(first, second)
}

func patched(text []byte, proposals []proposal) ([]byte, error) {
	document, err := edit.New(text)
	if err != nil {
		return nil, err
	}
	for _, p := range proposals {
		if err := document.Patch(decision.FieldPath(p.from.Path), p.patch); err != nil {
			return nil, err
		}
	}
	return document.Text()
}

// refuseStaying refuses the fixes whose findings are still there, and tells whether there
// are none.
func (f *fixer) refuseStaying(made []proposal, before, after *state) bool {
	all := true
	for _, p := range made {
		switch {
		case slices.ContainsFunc(after.outcomes[p.file], outcome.isUndecided):
			f.refuse(p, errUndecidable)
		case stays(p, made, before, after):
			f.refuse(p, errStays)
		default:
			continue
		}
		all = false
	}
	return all
}

// stays tells whether a finding is there again. Where a list has become shorter, another
// finding may have moved to its path: then there are fewer of them.
func stays(p proposal, made []proposal, before, after *state) bool {
	if len(after.outcomes[p.file]) != len(before.outcomes[p.file]) || after.outcomes[p.file][p.item].object == nil {
		return true
	}
	found := findings(after.outcomes[p.file][p.item])
	if !slices.ContainsFunc(found, func(f decision.Finding) bool { return identityOf(p.file, p.item, f) == p.identity }) {
		return false
	}
	isAlike := func(f decision.Finding) bool { return f.Policy == p.policy && f.Container == p.container }
	fixed := 0
	for _, other := range made {
		if other.file == p.file && other.item == p.item && other.policy == p.policy && other.container == p.container {
			fixed++
		}
	}
	return count(found, isAlike)+fixed > count(findings(before.outcomes[p.file][p.item]), isAlike)
}

func count[T any](list []T, is func(T) bool) int {
	n := 0
	for _, one := range list {
		if is(one) {
			n++
		}
	}
	return n
}

func (f *fixer) refuse(p proposal, err error) {
	f.refused[p.identity] = true
	message := fmt.Sprintf("%s: the fix of policy %s for %s was not made: %v", p.subject, p.policy, p.path, err)
	f.problems = append(f.problems, report.Problem{Source: p.from.Source, Message: message})
}

// String says what the fix is about.
func (p proposal) String() string {
	container := ""
	if p.container != "" {
		container = fmt.Sprintf(", container %q", p.container)
	}
	return fmt.Sprintf("%s: %s: %s%s: %s", p.from.Source, p.subject, p.policy, container, p.path)
}
