package compile

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ir"
)

// call compiles
//
//	CallStmt represents a named function call. The result should be stored in the result local.
//
// It is undefined if the result is. A rule is a function of input and data alone, and evaluated once.
func (c *functionCompiler) call(s *ir.CallStmt) (op, error) {
	callee := c.program.byName[s.Func]
	if callee == nil {
		return c.callBuiltin(s)
	}
	if callee.constant != nil {
		if callee.constant.value == nil {
			return never, nil
		}
		return c.set(s.Result, callee.constant.value), nil
	}
	args, constant := c.arguments(s.Args)
	if callee.pure && constant && len(args) > 0 {
		values := make([]any, len(args))
		for i := range args {
			values[i] = args[i].value
		}
		if folded := c.program.folder.call(c.program, callee, values); folded != nil {
			if folded.value == nil {
				return never, nil
			}
			return c.set(s.Result, folded.value), nil
		}
	}
	c.impure = c.impure || !callee.pure
	c.fn.depth = max(c.fn.depth, c.fn.places+callee.depth)
	place := placeOf(s.Result)
	if len(args) == 0 {
		return callRule(callee, place), nil
	}
	return callFunction(callee, args, place), nil
}

// arguments returns the arguments behind input and data, which each function passes on.
func (c *functionCompiler) arguments(all []ir.Operand) (args []operand, constant bool) {
	return c.operands(all[2:])
}

func callRule(callee *function, place int) op {
	return func(m *Machine, frame []any) int {
		return assignResult(frame, place, m.rule(callee, frame[0], frame[1]))
	}
}

func callFunction(callee *function, args []operand, place int) op {
	if callee.pure && callee.cost >= expensive {
		return callOnce(callee, args, place)
	}
	params := callee.params[2:]
	if len(args) == 1 {
		arg, param := args[0], params[0]
		return func(m *Machine, frame []any) int {
			inner := m.enter(callee)
			inner[0], inner[1], inner[param] = frame[0], frame[1], arg.get(frame)
			return assignResult(frame, place, m.run(callee, inner))
		}
	}
	return func(m *Machine, frame []any) int {
		inner := m.enter(callee)
		inner[0], inner[1] = frame[0], frame[1]
		for i := range args {
			inner[params[i]] = args[i].get(frame)
		}
		return assignResult(frame, place, m.run(callee, inner))
	}
}

func assignResult(frame []any, place int, value any) int {
	if value == nil {
		return 1
	}
	frame[place] = value
	return 0
}

// callOnce calls a function and, once a call has been slow, remembers its results.
func callOnce(callee *function, args []operand, place int) op {
	params := callee.params[2:]
	return func(m *Machine, frame []any) int {
		inner := m.enter(callee)
		for i := range args {
			inner[params[i]] = args[i].get(frame)
		}
		inner[0], inner[1] = frame[0], frame[1]
		if !m.slow[callee.number] {
			before := m.used.Steps
			value := m.run(callee, inner)
			m.slow[callee.number] = m.used.Steps-before > slowSteps
			return assignResult(frame, place, value)
		}
		text, value := m.remembered(callee, inner, params)
		if value != nil {
			m.top -= callee.places
			if value == undefined {
				value = nil
			}
			return assignResult(frame, place, value)
		}
		key := string(text) // the calls within write theirs to the same place
		value = m.run(callee, inner)
		if text != nil {
			m.remember(key, value)
		}
		return assignResult(frame, place, value)
	}
}

// callDynamic compiles
//
//	CallDynamicStmt represents an indirect (data) function call. The result should be stored in the result local.
//
// The path selects a rule, as in data.example[input.name]. If there is none, the statement is undefined, and the
// block that follows looks the path up in data. If the rule is undefined, the whole reference is: the planner puts
// the statement four blocks deep.
func (c *functionCompiler) callDynamic(s *ir.CallDynamicStmt) op {
	c.impure = true
	path, _ := c.operands(s.Path)
	for _, callee := range c.program.functions {
		if callee != nil && c.program.plan.mayCall(s, c.program.plan.functions[callee.index]) {
			c.fn.depth = max(c.fn.depth, c.fn.places+callee.depth)
		}
	}
	place, byPath := placeOf(s.Result), c.program.byPath
	return func(m *Machine, frame []any) int {
		parts := make([]string, len(path))
		for i := range path {
			part, ok := path[i].get(frame).(string)
			if !ok {
				return 1
			}
			m.alloc(slot + len(part))
			parts[i] = part
		}
		callee := byPath[pathKey(parts)]
		if callee == nil || len(callee.params) > 2 {
			return 1
		}
		value := m.rule(callee, frame[0], frame[1])
		if value == nil {
			return 4
		}
		frame[place] = value
		return 0
	}
}

// with compiles
//
//	WithStmt replaces the Local or a portion of the document referred to by the Local with the Value and executes the
//	contained block. If the Path is non-empty, the Value is upserted into the Local. If the intermediate nodes in the
//	Local referred to by the Path do not exist, they will be created. When the WithStmt finishes the Local is reset to
//	it's original value.
//
// What is remembered of rules does not hold in the block. If the block is undefined, so is the statement.
func (c *functionCompiler) with(s *ir.WithStmt, depth int) (op, error) {
	c.impure = true
	value, place := c.operand(s.Value), placeOf(s.Local)
	path := make([]string, 0, len(s.Path))
	for _, at := range s.Path {
		path = append(path, c.program.plan.strings[at])
	}
	if s.Local != ir.Input && s.Local != ir.Data {
		return nil, fmt.Errorf("with replaces local %d", s.Local)
	}
	ops, err := c.block(s.Block, depth+1)
	if err != nil {
		return nil, err
	}
	return func(m *Machine, frame []any) int {
		before, memory := frame[place], m.memory
		frame[place] = m.upsert(before, path, value.get(frame))
		m.alloc(slot * len(memory))
		m.memory = make([]any, len(memory))
		left := 0
		for _, o := range ops {
			if left = o(m, frame); left != 0 {
				break
			}
		}
		frame[place], m.memory = before, memory
		if left == 0 {
			return 0
		}
		return max(1, left-1)
	}, nil
}

// upsert returns an object with a value at a path. A value on the path that is not an object is replaced by one.
func (m *Machine) upsert(v any, path []string, value any) any {
	if len(path) == 0 {
		return value
	}
	o := &object{}
	if kindOf(v) == kindObject {
		members := m.members(v)
		for i, key := range members.keys {
			o.put(&m.meter, key, members.values[i])
		}
	}
	o.put(&m.meter, path[0], m.upsert(o.get(&m.meter, path[0]), path[1:], value))
	return o
}
