// Package policytest finds the Rego tests and the cases of policies in files and folders,
// runs them under the limits that hold in the cluster, and reports.
package policytest
