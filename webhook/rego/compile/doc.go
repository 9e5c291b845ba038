// Package compile compiles Rego to Go closures.
//
// OPA's planner turns rules into functions of an intermediate representation (IR), for the compiler to WebAssembly.
// This package compiles these functions to closures over plain Go values. An evaluation costs about a twentieth of one
// in OPA's interpreter (topdown), which remains the reference: tests compare the two on everything that there is to
// decide, and OPA's own compliance suite runs against this package.
//
//	plan, err := compile.NewPlan(ctx, compiler, "data.example.deny")          // once for each policy
//	program, err := plan.Compile(compile.Options{Parameters: p}, "data.example.deny") // once for each set of parameters
//	machine := machines.Get()
//	defer machines.Put(machine)
//	value, err := machine.Evaluate(ctx, program, "data.example.deny", input, compile.DefaultBudget)
//
// # An example
//
//	deny contains name if {
//		some name, container in input.containers
//		container.type == "app"
//		not container.probe
//	}
//
// The planner makes a function of it. It has numbered locals; 0 is the input, 1 the data, 2 the result:
//
//	block:  make_set 2
//	block:  reset 3
//	        dot 0 "containers" → 4
//	        scan 4 key 5 value 6
//	        | dot 6 "type" → 7
//	        | equal 7 "app"
//	        | not
//	        | | dot 6 "probe" → 8
//	        | | assign true → 9
//	        | | is_defined 9
//	        | set_add 5 → 2
//	block:  return 2
//
// A statement that is undefined leaves its block. Leaving the block of a scan goes on with the next element, and leaving
// that of a not makes the not succeed. Here, each statement becomes an op: a closure that gets the machine and the
// frame with the locals, and returns how many blocks to leave. The dot of the example becomes
//
//	func(m *Machine, frame []any) int {
//		value, ok := frame[0].(Document).Get("containers")
//		…
//		frame[4] = value
//		return 0
//	}
//
// and the scan a closure that runs the ops of its block for each element.
//
// # What is computed when
//
// Parameters are known when a program is compiled, and most of what a policy derives from them needs nothing else. So
// locals whose values are known are kept by the compiler (functionCompiler.constants) and have no place in the frame;
// calls of pure functions with constant arguments are made then (fold.go); and what remains of a rule may be nothing. What
// may be computed then has a budget, too.
//
// # Where to find what
//
//	plan.go, statement.go, locals.go      OPA's plan, what its statements do with locals, and their numbers
//	program.go, function.go, facts.go     programs and functions, and what is known of a function before it is compiled
//	assign.go, block.go, call.go,         the statements, each next to its description in package ir
//	collection.go, literal.go, lookup.go,
//	scan.go, test.go
//	fold.go, memo.go                      what is computed in advance, and what is remembered
//	machine.go, budget.go                 evaluations and what they may use
//	value.go, number.go, compare.go,      values
//	table.go
//	result.go                             reading what a rule has returned
//	builtin*.go, pattern.go               built-in functions
//
// # Budgets
//
// Nothing here is limited by time. A machine counts steps and bytes, which depend on the policy and the input alone, and
// counts them before it does the work (budget.go). Whoever adds a built-in function must count everything that it looks at
// and makes, or leave it out: a plan with a function that is not in the table is not compiled.
//
// # What differs from topdown
//
// Results are the same, and so are errors with their lines, except that
//
//   - of several failures in one evaluation, another one may be reported, because rules may be evaluated in another order;
//   - a partial object is evaluated as a whole, so that a failure of a key that nobody has asked for is reported;
//   - OPA's rule index may keep a rule from being evaluated that would fail. There is no index here.
package compile
