package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const example = `package p

import "fmt"

var table = []string{"a", "b"}

func f(n int, s string) (int, error) {
	total := 0
	if n < 3 && s != "" {
		total++
		return 1, fmt.Errorf("no")
	}
	for range n {
		if n == 20 {
			continue
		}
		total += n
	}
	switch s {
	case "x", "y":
		return max(n, total), nil
	default:
	}
	return total, nil
}

func (t *T) g(ok bool) bool { return !ok || t.h(true) }
`

// Every operator finds its places, and each mutant changes one place.
func TestChanges(t *testing.T) {
	mutants, err := Find("p.go", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range mutants {
		got = append(got, fmt.Sprintf("%d %s %s: %s", m.Line, m.Func, m.Operator, squeeze(m.Is)))
		changed := string(m.Apply([]byte(example)))
		if changed == example {
			t.Errorf("nothing changes: %+v", m)
		}
	}
	for _, want := range []string{
		`5 table drop an element: var table = []string{"b"}`,
		`5 table drop an element: var table = []string{"a"}`,
		`8 f change a constant: total := 1`,
		`9 f negate a condition: if !(n < 3 && s != "") {`,
		`9 f never take a branch: if false {`,
		`9 f swap an operator: if n <= 3 && s != "" {`,
		`9 f swap an operator: if n < 3 || s != "" {`,
		`9 f leave an operand out: if true && s != "" {`,
		`9 f leave an operand out: if n < 3 && true {`,
		`9 f change a constant: if n < 4 && s != "" {`,
		`9 f swap a comparison: if n < 3 && s == "" {`,
		`10 f leave a statement out: `,
		`11 f return the zero value: return *new(int), fmt.Errorf("no")`,
		`11 f return the zero value: return 1, *new(error)`,
		`14 f change a constant: if n == 40 {`,
		`15 f go on differently: break`,
		`15 f leave a branch statement out: `,
		`17 f leave a statement out: `,
		`20 f drop a case: `,
		`20 f drop a value of a case: case "y":`,
		`20 f drop a value of a case: case "x":`,
		`21 f swap min and max: return min(n, total), nil`,
		`22 f drop a case: `,
		`27 T.g negate a result: func (t *T) g(ok bool) bool { return !(!ok || t.h(true)) }`,
		`27 T.g leave a not out: func (t *T) g(ok bool) bool { return ok || t.h(true) }`,
		`27 T.g leave an operand out: func (t *T) g(ok bool) bool { return false || t.h(true) }`,
		`27 T.g change a constant: func (t *T) g(ok bool) bool { return !ok || t.h(false) }`,
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, strings.Join(got, "\n"))
		}
	}
}

// The same seed gives the same sample, and another seed another one. Code outside of the sample does not affect
// it.
func TestASampleDependsOnSeedAndCode(t *testing.T) {
	order := func(seed uint64, source string) (all []string) {
		mutants, err := Find("p.go", []byte(source))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range sample(mutants, &options{seed: seed}) {
			all = append(all, m.Func+" "+m.change())
		}
		return all
	}
	one := order(1, example)
	if !slices.Equal(one, order(1, example)) || slices.Equal(one, order(2, example)) {
		t.Error("the order does not depend on the seed alone")
	}
	more := slices.DeleteFunc(order(1, strings.Replace(example, "var table", "func added() bool { return 1 < 2 }\n\nvar table", 1)), func(change string) bool {
		return strings.HasPrefix(change, "added ")
	})
	if !slices.Equal(one, more) {
		t.Error("code that is added changes the order of the rest")
	}
}

// Every listed equivalent matches the current code and gives a reason. An equivalent whose code has changed
// must be reviewed again.
func TestEquivalentsAreOfTodaysCode(t *testing.T) {
	root := filepath.Join("..", "..")
	known, err := listed()
	if err != nil {
		t.Fatal(err)
	}
	var mutants []Mutant
	for _, g := range groups() {
		found, err := FindIn(root, g.folder)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d changes, %v", g.folder, len(found), err)
		}
		mutants = append(mutants, found...)
		for _, folder := range g.tests {
			tests, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
			if err != nil || len(tests) == 0 {
				t.Errorf("%s has no tests, %v", folder, err)
			}
		}
	}
	for _, e := range stale(known, mutants) {
		t.Errorf("equivalent.yaml: %s %s is no change of today's code, or has no reason:\n- %s\n+ %s", e.File, e.Func, e.Was, e.Is)
	}
	if left := open(mutants, known); len(known) > 0 && len(left) >= len(mutants) {
		t.Error("a listed equivalent is tried again")
	}
}

// The overlay file differs from the original only in the change, and the tree is not written.
func TestTheTreeIsNotWritten(t *testing.T) {
	root, work := t.TempDir(), t.TempDir()
	path := filepath.Join(root, "p.go")
	if err := os.WriteFile(path, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	mutants, err := FindIn(root, ".")
	if err != nil || len(mutants) == 0 {
		t.Fatal(err)
	}
	r := &runner{root: root, work: work}
	overlay, err := r.overlay(&mutants[0])
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(path)
	if err != nil || string(kept) != example {
		t.Errorf("the tree is written: %v", err)
	}
	names, err := os.ReadFile(overlay)
	if err != nil || !strings.Contains(string(names), path) {
		t.Errorf("%s, %v", names, err)
	}
	if changed, err := os.ReadFile(filepath.Join(work, "changed.go")); err != nil || string(changed) != string(mutants[0].Apply([]byte(example))) {
		t.Errorf("%s, %v", changed, err)
	}
}
