// Package regotest runs the tests of policies: their Rego tests, and their case files, which
// are objects with the findings that a policy must make of them (policies/AUTHORING.md).
// Users' Policies run under the limits that hold in the cluster.
package regotest
