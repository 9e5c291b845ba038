// Package rego loads Rego policies and evaluates them. A Catalog holds the policies with their METADATA; a
// Program is made for the policies that are bound, with their parameters, and returns the violations and
// intents of a Request. Only this package and its subpackages import OPA.
//
// # Engines
//
// Two engines evaluate a Program and find the same. By default, policies are compiled to Go (package
// compile), each one alone. OPA's interpreter, topdown, evaluates policies that cannot be compiled, and is the
// reference in tests; serve --compare compares the two on a share of the requests. Policies of the library
// are evaluated together there, and again alone if that fails.
//
// # Budgets
//
// Each evaluation is limited by steps and bytes, which depend on the policy and the object alone: see Budget.
// The budget of a user's Policy is part of its spec. The library's is a safeguard that nothing comes near;
// with topdown, it has none. What users' Policies may refer to and call is limited, too: see package sandbox.
// The clock matters only in one way: an evaluation ends with its request.
//
// # Where to find what
//
//	catalog.go, metadata.go, parameters.go,   policies: their METADATA, parameters and kinds, and the faults of
//	ownparameters.go, kinds.go, fault.go      their modules
//	user.go, usercache.go                     users' Policies
//	program.go, engine.go, budget.go          what is bound, the engines, and what an evaluation may use
//	evaluate.go                               evaluates a Program for a Request
//	evaluate_compiled.go, compiled.go,        the compiled engine
//	plan.go
//	document*.go                              its input: parts of the Request that are made when they are read
//	evaluate_topdown.go, evaluate_user.go,    topdown
//	topdown_unit.go, cancel.go
//	input.go                                  its input
//	expand.go                                 $(VAR) in the texts of containers
//	credentials*.go, secret_values.go         what the input says about credentials
//	result.go, result_user.go, elements.go,   what rules return, as violations and intents
//	fix.go, redact.go
//	failure.go                                why a policy could not decide
//	compare.go                                differences between the engines
//	run_tests.go, coverage.go                 Rego tests
package rego
