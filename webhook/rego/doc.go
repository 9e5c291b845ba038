// Package rego reads the Rego library and evaluates it: a Catalog from the
// policies' METADATA, a Program compiled from the policies that are bound, and the
// violations and intents of one Request. Users' own policies are evaluated apart from the
// library's, within a budget of time and memory. It runs Rego tests, too, and measures what
// they cover. It is the only package that imports OPA.
package rego
