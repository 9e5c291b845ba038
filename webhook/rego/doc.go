// Package rego loads Rego policies and evaluates them. A Catalog holds the policies with their METADATA; a
// Program is compiled from the policies that are bound and returns the violations and intents of a Request.
// Users' Policies are evaluated apart from the library, under a budget of steps and bytes (package sandbox).
// The package also runs Rego tests and measures their coverage. Only this package and its subpackages import
// OPA.
package rego
