// Command mutate measures what the tests notice. It makes small changes to the code that produces a verdict, one at a
// time, and runs the tests on each. A change that no test notices is untested behavior. The tree is never written. A
// sample depends only on the seed and the code.
//
// For each survivor, write a test that notices it, or list it in equivalent.yaml with the reason why no test needs to.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	o := options{}
	flag.IntVar(&o.n, "n", 150, "how many mutants that compile are tried")
	flag.Uint64Var(&o.seed, "seed", 1, "which sample is taken")
	flag.StringVar(&o.packages, "packages", "", "packages to take it from, separated by commas, such as request,pipeline; all that make up a verdict if empty")
	flag.StringVar(&o.at, "at", "", "try every mutant of these places instead, FILE:LINE or FILE:LINE:OPERATOR, separated by commas")
	flag.BoolVar(&o.list, "list", false, "list the sample without running a test")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	survived, err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(2)
	}
	if survived > 0 {
		os.Exit(1)
	}
}

type options struct {
	n        int
	seed     uint64
	packages string
	at       string
	list     bool
}

// run tries a sample and returns how many mutants survived.
func run(ctx context.Context, o options) (survived int, err error) {
	some, err := chosen(o.packages)
	if err != nil {
		return 0, err
	}
	root, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	known, err := listed()
	if err != nil {
		return 0, err
	}
	var mutants []Mutant
	tests := map[string][]string{} // by file
	for _, g := range some {
		found, err := FindIn(root, g.folder)
		if err != nil {
			return 0, err
		}
		for _, m := range found {
			tests[m.File] = append([]string{g.folder}, g.tests...)
		}
		mutants = append(mutants, found...)
	}
	left := open(mutants, known)
	fmt.Printf("seed %d: %d possible changes, %d of them listed as equivalent\n", o.seed, len(mutants), len(mutants)-len(left))
	mutants = sample(left, &o)
	if o.list {
		for _, m := range mutants[:min(o.n, len(mutants))] {
			fmt.Printf("%s:%d %s\n%s", m.File, m.Line, m.Operator, m.Diff())
		}
		return 0, nil
	}
	work, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	r := &runner{root: root, work: work, limits: map[string]time.Duration{}}
	return tryAll(ctx, r, mutants, tests, o.n)
}

// sample orders the mutants randomly, or selects those at the given places.
func sample(mutants []Mutant, o *options) []Mutant {
	if o.at != "" {
		places := strings.Split(o.at, ",")
		return slices.DeleteFunc(mutants, func(m Mutant) bool {
			place := fmt.Sprintf("%s:%d", m.File, m.Line)
			return !slices.Contains(places, place) && !slices.Contains(places, place+":"+m.Operator)
		})
	}
	slices.SortFunc(mutants, func(a, b Mutant) int { return cmp.Compare(a.rank(o.seed), b.rank(o.seed)) })
	return mutants
}

func tryAll(ctx context.Context, r *runner, mutants []Mutant, tests map[string][]string, n int) (survived int, err error) {
	var survivors []Mutant
	tried, broken := 0, 0
	for i := range mutants {
		if tried == n {
			break
		}
		m := &mutants[i]
		began := time.Now()
		outcome, by, err := r.try(ctx, m, tests[m.File])
		if err != nil {
			return len(survivors), err
		}
		if outcome == NotCompiled {
			broken++
			continue
		}
		tried++
		fmt.Printf("%3d %s %s:%d (%s) %s %s\n", tried, outcome, m.File, m.Line, m.Operator, by, time.Since(began).Round(time.Second))
		if outcome == Survived {
			survivors = append(survivors, *m)
			fmt.Print(m.Diff())
		}
	}
	fmt.Printf("\n%d of %d changes were noticed (%.1f %%); %d more did not compile\n",
		tried-len(survivors), tried, 100*float64(tried-len(survivors))/float64(max(1, tried)), broken)
	for _, m := range survivors {
		fmt.Printf("%s:%d %s (%s)\n%s", m.File, m.Line, m.Func, m.Operator, m.Diff())
	}
	return len(survivors), nil
}
