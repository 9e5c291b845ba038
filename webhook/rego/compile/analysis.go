package compile

import (
	"github.com/open-policy-agent/opa/v1/ir"
)

// localUse is what the statements of a function do with one local.
type localUse struct {
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

// analysis is what is known of a function before it is compiled: what its statements do with its locals, above all.
type analysis struct {
	locals map[ir.Local]*localUse
	// unused are assignments whose target nobody reads.
	unused map[*ir.AssignVarStmt]bool
	// places is the size of the function's frame.
	places int
	// nested is true if a rule builds objects in objects, as p[x][y] := z does.
	nested bool
}

func (a *analysis) of(l ir.Local) *localUse {
	known := a.locals[l]
	if known == nil {
		known = &localUse{}
		a.locals[l] = known
	}
	return known
}

// analyze reads the statements of a function.
func analyze(fn *ir.Func) *analysis {
	a := &analysis{locals: map[ir.Local]*localUse{}, unused: map[*ir.AssignVarStmt]bool{}, places: placeOf(fn.Return) + 1}
	for _, p := range fn.Params {
		a.of(p).writes++
		a.places = max(a.places, placeOf(p)+1)
	}
	a.of(fn.Return).tested = true
	made := map[ir.Local]bool{}
	eachStatement(fn.Blocks, func(b *ir.Block, s ir.Stmt) {
		eachLocal(s, func(l *ir.Local, use use) {
			a.places = max(a.places, placeOf(*l)+1)
			a.of(*l).count(use, b)
		})
		a.readTests(s)
		switch s := s.(type) {
		case *ir.MakeObjectStmt:
			made[s.Target] = true
		case *ir.MakeSetStmt:
			made[s.Target] = true
		}
	})
	eachStatement(fn.Blocks, func(_ *ir.Block, s ir.Stmt) {
		if dot, ok := s.(*ir.DotStmt); ok && made[dot.Target] {
			a.of(dot.Target).looked, a.nested = true, true
		}
	})
	a.dropUnused(fn)
	return a
}

func (l *localUse) count(use use, b *ir.Block) {
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

func (a *analysis) readTests(s ir.Stmt) {
	switch s := s.(type) {
	case *ir.IsDefinedStmt:
		a.of(s.Source).tested = true
	case *ir.IsUndefinedStmt:
		a.of(s.Source).tested = true
	case *ir.ResetLocalStmt:
		a.of(s.Target).tested = true
	case *ir.AssignVarOnceStmt:
		a.of(s.Target).tested = true
	case *ir.ObjectInsertOnceStmt:
		a.of(s.Object).conflicts = true
	}
}

// dropUnused finds assignments that can be left out, and those that can be left out when these are.
func (a *analysis) dropUnused(fn *ir.Func) {
	for again := true; again; {
		again = false
		eachStatement(fn.Blocks, func(_ *ir.Block, s ir.Stmt) {
			assign, ok := s.(*ir.AssignVarStmt)
			if !ok || a.unused[assign] {
				return
			}
			if t := a.of(assign.Target); t.reads == 0 && !t.tested && t.extended == nil {
				a.unused[assign], again = true, true
				if l, ok := assign.Source.Value.(ir.Local); ok {
					a.of(l).reads--
				}
			}
		})
	}
}

// fixed reports whether a local is assigned in one place, and stays as it is then.
func (a *analysis) fixed(l ir.Local) bool {
	known := a.of(l)
	return known.writes == 1 && !known.tested && known.extended == nil
}
