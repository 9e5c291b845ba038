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
	// errStillReported is returned if a policy still reports a finding after its own fix.
	errStillReported = errors.New("the policy would still object")
	// errUndecidable is returned if the object could not be decided after a fix.
	errUndecidable = errors.New("its file could not be decided afterward")
)

// fixer applies the fixes that findings propose to files, in memory.
type fixer struct {
	decider *decider
	files   []manifest.File

	// fixed contains a line for each applied fix.
	fixed []string
	// problems contains the fixes that could not be applied.
	problems []report.Problem
	// skipped contains the names of files with fixes that are left unchanged.
	skipped []string
	// refused contains the fixes that failed. They are not tried again.
	refused map[identity]bool
	// undecided contains the indices of the files that are left unchanged: those with an item that
	// could not be decided completely, or that is not an object, so that it is not known which of
	// the text in a diff belongs to a Secret.
	undecided map[int]bool
}

func newFixer(d *decider, files []manifest.File) *fixer {
	return &fixer{decider: d, files: files, refused: map[identity]bool{}, undecided: map[int]bool{}}
}

// identity identifies a finding across decisions.
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

// state is a version of the files and the decisions about them.
type state struct {
	files    []manifest.File
	items    [][]manifest.Item
	outcomes [][]outcome
}

// run applies fixes in rounds until there are none left, and reports the remaining findings.
func (f *fixer) run(ctx context.Context) (*report.Report, error) {
	now := f.decide(ctx, f.files)
	withheld := f.proposals(now)
	for i, outcomes := range now.outcomes {
		f.undecided[i] = slices.ContainsFunc(outcomes, outcome.isUndecided) || slices.ContainsFunc(now.items[i], isNotObject)
	}
	f.recordSkipped(withheld)
	// Every round applies or refuses a fix. A fix may cause others, but only a limited number of
	// them.
	for rounds := 20 + 2*len(f.proposals(now)); ; rounds-- {
		plan := disjoint(f.proposals(now))
		if len(plan) == 0 {
			break
		}
		if rounds == 0 {
			return nil, fmt.Errorf("the fixes of policy %s do not converge: nothing was written", plan[0].policy)
		}
		files, made := f.apply(now, plan)
		next := f.decide(ctx, files)
		if !f.refuseIneffective(made, now, next) {
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

// isDecided reports whether everything in a file was decided completely. Any other file is left
// unchanged: the undecided part may be what makes a fix wrong.
func (f *fixer) isDecided(file int) bool { return !f.undecided[file] }

// recordSkipped records the files that have fixes but are left unchanged because a part of them
// is undecided.
func (f *fixer) recordSkipped(withheld []proposal) {
	recorded := map[int]bool{}
	for _, p := range withheld {
		if f.undecided[p.file] && !recorded[p.file] {
			recorded[p.file] = true
			f.skipped = append(f.skipped, f.files[p.file].Name)
		}
	}
}

// isUndecided reports whether an item has no decision, or one to which a policy could not
// contribute: the cluster may admit or deny it, but the correct result is not known. A Namespace
// that is missing from the input leaves the verdict open, but not the fix.
func (o outcome) isUndecided() bool {
	return len(o.problems) > 0 || slices.ContainsFunc(findings(o), func(f decision.Finding) bool { return f.Failed })
}

// isNotObject reports whether an item is neither an object nor blank.
func isNotObject(item manifest.Item) bool { return item.Err != nil && !item.IsBlank() }

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

// proposals returns the fixes to try, in the order of the input.
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

// disjoint removes the proposals that overlap with an earlier one: they were made for the current
// object, and the next round proposes them again for the changed one.
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

// paths returns the paths that a patch touches. Adding or removing an element touches the whole
// list.
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

// apply applies fixes, document by document. It returns those that succeeded.
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
	// Start with the last document, so that the offsets of those above stay valid.
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

// applyAll applies all fixes to a document. If that fails, it divides them in half to find those
// that fail.
func (f *fixer) applyAll(text []byte, proposals []proposal) ([]byte, []proposal) {
	fixed, err := patched(text, proposals)
	if err == nil {
		return fixed, proposals
	}
	if len(proposals) == 1 {
		f.recordRefused(proposals[0], err)
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

// refuseIneffective refuses the fixes whose findings are still reported, and reports whether
// there are none.
func (f *fixer) refuseIneffective(made []proposal, before, after *state) bool {
	all := true
	for _, p := range made {
		switch {
		case slices.ContainsFunc(after.outcomes[p.file], outcome.isUndecided):
			f.recordRefused(p, errUndecidable)
		case isStillReported(p, made, before, after):
			f.recordRefused(p, errStillReported)
		default:
			continue
		}
		all = false
	}
	return all
}

// isStillReported reports whether a finding is still present. If a list became shorter, another
// finding may have moved to its path; then their number is smaller.
func isStillReported(p proposal, made []proposal, before, after *state) bool {
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

func (f *fixer) recordRefused(p proposal, err error) {
	f.refused[p.identity] = true
	message := fmt.Sprintf("%s: the fix of policy %s for %s was not made: %v", p.subject, p.policy, p.path, err)
	f.problems = append(f.problems, report.Problem{Source: p.from.Source, Message: message})
}

// String returns the position, object and policy of the fix.
func (p proposal) String() string {
	container := ""
	if p.container != "" {
		container = fmt.Sprintf(", container %q", p.container)
	}
	return fmt.Sprintf("%s: %s: %s%s: %s", p.from.Source, p.subject, p.policy, container, p.path)
}
