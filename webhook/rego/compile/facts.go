package compile

import (
	"github.com/open-policy-agent/opa/v1/ir"
)

// localFacts is what the statements of a function do with one local.
type localFacts struct {
	reads, writes int
	// tested is true if the function looks at whether the local is defined, or resets it.
	tested bool
	// extended has the block of every statement that adds to the collection in the local.
	extended []*ir.Block
	// conflicts is true if one of these statements fails for a key that has another value.
	conflicts bool
	// looked is true if members of the collection are read or replaced while it grows: a part of a partial object.
	looked bool
}

// facts are those of all locals of a function.
type facts struct {
	locals map[ir.Local]*localFacts
	// unused are assignments whose target nobody reads.
	unused map[*ir.AssignVarStmt]bool
	// places is the size of the function's frame.
	places int
	// nested is true if a rule builds objects in objects, as p[x][y] := z does.
	nested bool
}

func (f *facts) of(l ir.Local) *localFacts {
	known := f.locals[l]
	if known == nil {
		known = &localFacts{}
		f.locals[l] = known
	}
	return known
}

func readFacts(fn *ir.Func) *facts {
	f := &facts{locals: map[ir.Local]*localFacts{}, unused: map[*ir.AssignVarStmt]bool{}, places: placeOf(fn.Return) + 1}
	for _, p := range fn.Params {
		f.of(p).writes++
		f.places = max(f.places, placeOf(p)+1)
	}
	f.of(fn.Return).tested = true
	made := map[ir.Local]bool{}
	eachStatement(fn.Blocks, func(b *ir.Block, s ir.Stmt) {
		eachLocal(s, func(l *ir.Local, use use) {
			f.places = max(f.places, placeOf(*l)+1)
			f.of(*l).count(use, b)
		})
		f.readTests(s)
		switch s := s.(type) {
		case *ir.MakeObjectStmt:
			made[s.Target] = true
		case *ir.MakeSetStmt:
			made[s.Target] = true
		}
	})
	eachStatement(fn.Blocks, func(_ *ir.Block, s ir.Stmt) {
		if dot, ok := s.(*ir.DotStmt); ok && made[dot.Target] {
			f.of(dot.Target).looked, f.nested = true, true
		}
	})
	f.dropUnused(fn)
	return f
}

func (l *localFacts) count(use use, b *ir.Block) {
	switch use {
	case reads:
		l.reads++
	case writes:
		l.writes++
	case rewrites:
		l.writes += 2
	case extends:
		l.extended = append(l.extended, b)
	}
}

func (f *facts) readTests(s ir.Stmt) {
	switch s := s.(type) {
	case *ir.IsDefinedStmt:
		f.of(s.Source).tested = true
	case *ir.IsUndefinedStmt:
		f.of(s.Source).tested = true
	case *ir.ResetLocalStmt:
		f.of(s.Target).tested = true
	case *ir.AssignVarOnceStmt:
		f.of(s.Target).tested = true
	case *ir.ObjectInsertOnceStmt:
		f.of(s.Object).conflicts = true
	}
}

// dropUnused finds assignments that can be left out, and those that can be left out when these are.
func (f *facts) dropUnused(fn *ir.Func) {
	for again := true; again; {
		again = false
		eachStatement(fn.Blocks, func(_ *ir.Block, s ir.Stmt) {
			a, ok := s.(*ir.AssignVarStmt)
			if !ok || f.unused[a] {
				return
			}
			if t := f.of(a.Target); t.reads == 0 && !t.tested && t.extended == nil {
				f.unused[a], again = true, true
				if l, ok := a.Source.Value.(ir.Local); ok {
					f.of(l).reads--
				}
			}
		})
	}
}

// fixed reports whether a local is assigned in one place, and stays as it is then.
func (f *facts) fixed(l ir.Local) bool {
	known := f.of(l)
	return known.writes == 1 && !known.tested && known.extended == nil
}
