// Package engine reads the Rego library and evaluates it: a Catalog from the
// policies' METADATA, a Program compiled from the policies that are bound, and the
// violations and intents of one Request. It is the only package that imports OPA.
package engine
