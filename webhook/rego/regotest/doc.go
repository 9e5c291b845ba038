// Package regotest runs the tests of policies for taffrail test: Rego tests, and files of cases, which are objects with
// the findings that are expected of a policy. policies/AUTHORING.md describes both.
//
//	find.go      the policies, tests and cases in files and folders
//	suite.go     what is tested with one catalog: a library, or users' policies
//	case.go      the format of cases
//	runner.go    runs a case
//	report.go    the results
//
// Package report writes the results as text.
package regotest
