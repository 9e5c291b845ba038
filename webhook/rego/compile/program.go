package compile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// op is a statement of the plan, compiled. It returns 0 to go on with the next statement of its block, and n to leave
// n blocks: 1 if the statement is undefined. frame has the locals of the function.
type op func(m *Machine, frame []any) (left int)

// leaveFunction leaves all blocks of a function.
const leaveFunction = 1 << 30

// maxNesting is how deeply blocks of a plan may be nested. Each level is a call of a few hundred bytes of stack.
const maxNesting = 2_000

// function is a rule or a function of the policy.
type function struct {
	// index is its place among the functions of the plan, and number that among those of the program.
	index, number int
	// params are the places of the arguments; input and data are the first two.
	params []int
	result int
	// places is the size of its frame, and depth that of its frame and of all that it calls.
	places, depth int
	// cleared are the places that must be undefined when it is called.
	cleared []int
	body    [][]op
	// weight is how many steps a call is.
	weight int
	// cost is what a call costs altogether, about. The results of an expensive function are remembered.
	cost int
	// pure is true if its result depends on its arguments alone.
	pure bool
	// constant has the result of a function that always returns the same; otherwise it is nil.
	constant *constant
}

// constant is a value that is known when the policy is compiled. The value nil is undefined.
type constant struct{ value any }

// Options are for a Program.
type Options struct {
	// Parameters is the value of input.parameters if it is known. The input of an evaluation must have the same.
	Parameters any
	// foldless leaves everything to be computed in the evaluation: an oracle for what is computed before.
	foldless bool
}

// Program is rules of a Plan, compiled for one value of the parameters. It is immutable and safe for concurrent use.
type Program struct {
	plan  *Plan
	rules map[string]*function
	// depth is the size of the stack that it needs.
	depth int
	// functions are those that the rules need, by index.
	functions []*function
	count     int
	byName    map[string]*function
	byPath    map[string]*function
	strings   []any
	// given is Options.Parameters in a form that evaluations may share. parameters is the same, or nil if they are read
	// from the input.
	given, parameters any
	folder            *folder
}

// Compile compiles rules of a plan.
func (p *Plan) Compile(options Options, rules ...string) (*Program, error) {
	program := p.newProgram(options)
	needed := map[string]bool{}
	entries := map[string]*ir.Func{}
	for _, rule := range rules {
		fn := p.find(rule)
		if fn == nil {
			return nil, fmt.Errorf("the plan has no rule %s", rule)
		}
		entries[rule] = fn
		needed[fn.Name] = true
	}
	p.addCallees(needed)
	for i, fn := range p.functions {
		if !needed[fn.Name] {
			continue
		}
		if err := program.add(i, fn); err != nil {
			return nil, err
		}
	}
	for rule, fn := range entries {
		program.rules[rule] = program.byName[fn.Name]
	}
	program.folder = nil
	return program, nil
}

// Parameters returns Options.Parameters in a form that is never written to, for the inputs of concurrent evaluations.
func (p *Program) Parameters() any { return p.given }

func (p *Plan) newProgram(options Options) *Program {
	program := &Program{
		plan: p, rules: map[string]*function{}, functions: make([]*function, len(p.functions)),
		byName: map[string]*function{}, byPath: map[string]*function{}, folder: newFolder(options.foldless),
	}
	for _, s := range p.strings {
		program.strings = append(program.strings, s)
	}
	if options.Parameters != nil {
		program.given = program.folder.freeze(canon(options.Parameters))
		if !p.replacesParameters() {
			program.parameters = program.given
		}
	}
	return program
}

// find returns the function of a rule. The planner numbers generations of functions: the first has those outside of
// all `with`.
func (p *Plan) find(rule string) *ir.Func {
	ref, err := ast.ParseRef(rule)
	if err != nil {
		return nil
	}
	path := []string{"g0"}
	for _, term := range ref[1:] {
		part, _ := term.Value.(ast.String)
		path = append(path, string(part))
	}
	for _, fn := range p.functions {
		if slices.Equal(fn.Path, path) {
			return fn
		}
	}
	return nil
}

// addCallees adds what the needed functions call. They call only those before them.
func (p *Plan) addCallees(needed map[string]bool) {
	for _, fn := range slices.Backward(p.functions) {
		if !needed[fn.Name] {
			continue
		}
		eachStatement(fn.Blocks, func(_ *ir.Block, s ir.Stmt) {
			switch s := s.(type) {
			case *ir.CallStmt:
				needed[s.Func] = true
			case *ir.CallDynamicStmt:
				for _, other := range p.functions {
					needed[other.Name] = needed[other.Name] || p.mayCall(s, other)
				}
			}
		})
	}
}

// mayCall reports whether a path of which some parts are computed can be that of a function.
func (p *Plan) mayCall(s *ir.CallDynamicStmt, fn *ir.Func) bool {
	if len(fn.Path) != len(s.Path) {
		return false
	}
	for i, part := range s.Path {
		if at, ok := part.Value.(ir.StringIndex); ok && p.strings[at] != fn.Path[i] {
			return false
		}
	}
	return true
}

// replacesParameters reports whether a `with` of the plan may change input.parameters.
func (p *Plan) replacesParameters() (found bool) {
	for _, fn := range p.functions {
		eachStatement(fn.Blocks, func(_ *ir.Block, s ir.Stmt) {
			if with, ok := s.(*ir.WithStmt); ok && with.Local == ir.Input {
				found = found || len(with.Path) == 0 || p.strings[with.Path[0]] == "parameters"
			}
		})
	}
	return found
}

// pathKey returns a key that no other path has. A name in a path may contain any character.
func pathKey(path []string) string {
	var key strings.Builder
	for _, name := range path {
		key.WriteString(strconv.Itoa(len(name)))
		key.WriteByte(':')
		key.WriteString(name)
	}
	return key.String()
}

// add compiles a function.
func (p *Program) add(index int, fn *ir.Func) error {
	if deep := nesting(fn.Blocks); deep > maxNesting {
		return fmt.Errorf("%s: blocks are nested %d deep, and %d are allowed", fn.Name, deep, maxNesting)
	}
	c := newFunctionCompiler(p, index, fn)
	p.count++
	if err := c.compile(); err != nil {
		return fmt.Errorf("%s: %w", fn.Name, err)
	}
	p.functions[index], p.byName[fn.Name], p.byPath[pathKey(fn.Path)] = c.fn, c.fn, c.fn
	p.depth = max(p.depth, c.fn.depth)
	return nil
}
