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
//	        | assign 5 → 7
//	        | assign 6 → 8
//	        | dot 8 "type" → 9
//	        | equal 9 "app"
//	        | not
//	        | | dot 8 "probe" → 11
//	        | | not_equal 11 false
//	        | | assign true → 10
//	        | | is_defined 10
//	        | set_add 7 → 2
//	block:  return 2
//
// A statement that is undefined leaves its block. Leaving the block of a scan goes on with the next element, and leaving
// that of a not makes the not succeed. Here, each statement becomes an op: a closure that gets the machine and the
// frame with the locals, and returns how many blocks to leave. For an input that is a Document, the dot of the example
// comes to
//
//	func(m *Machine, frame []any) int {
//		value := frame[0].(Document).Get("containers")
//		if value == nil { // there is no such member
//			return 1
//		}
//		frame[4] = value
//		return 0
//	}
//
// and the scan is a closure that runs the ops of its block for each element.
//
// # The machine
//
// A Machine evaluates one rule at a time. It has one stack: each call of a function takes a frame of it, with a place for
// each local, and gives the frame back when the function ends (Machine.enter and Machine.run). Input and data are in the
// first two places of every frame. A program knows how large a stack its deepest calls need, so the stack never grows
// during an evaluation.
//
// An op returns 0 to go on with the next op of its block, 1 to leave the block, as a statement does that is undefined, and
// n to leave n blocks. A block that is left returns one less to the block around it (runBlock). A scan is two blocks:
// leaving one goes on with the next element, and leaving two ends the scan. leaveFunction leaves all of them.
//
// A rule is a function of input and data alone, and is evaluated once: the machine remembers its value (Machine.rule).
// While a `with` replaces a part of them, another memory takes the place of that one. Results of functions with arguments
// are remembered only if the function is expensive and pure (memo.go).
//
// The planner gives the locals of all rules of a function the same numbers. The compiler renumbers them, so that what it
// knows of a local holds in one rule alone (renameLocals). Their places in the frame stay as they are.
//
// Goroutines share programs, and each has a machine of its own. Nothing that is shared is written: constants and
// parameters are frozen when a program is compiled (Machine.freeze): all that a machine would otherwise put in order when
// it is first read is in order then. Statements add only to collections that the same evaluation has made.
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
//	program.go, function.go, analysis.go  programs and functions, and what is known of a function before it is compiled
//	assign.go, block.go, call.go,         the statements, each next to its description in package ir
//	collection.go, literal.go, lookup.go,
//	scan.go, test.go
//	exit.go                               where a function ends before all of its rules were evaluated
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
