// Package pipeline takes a normalized Request the whole way to a Decision: resolve the
// bindings, learn the facts, predict what LimitRanges will do, evaluate the policies,
// place injections, decide. Admission, the command line and the audit all call it. Relax
// decides changes of a Namespace's labels; Builder and Checker compile and judge
// configurations.
package pipeline
