// Package rego reads the Rego library and evaluates it: a Catalog from the
// policies' METADATA, a Program compiled from the policies that are bound, and the
// violations and intents of one Request. Users' own policies are evaluated apart from the
// library's, within a budget of steps and bytes (package sandbox). The package also runs Rego
// tests and measures what they cover. Only this package and those below it import OPA.
package rego
