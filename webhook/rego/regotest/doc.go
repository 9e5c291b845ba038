// Package regotest reads and runs the case files of policies: objects, with the findings
// that a policy must make of them. policies/AUTHORING.md describes them.
package regotest
