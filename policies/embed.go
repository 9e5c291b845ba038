// Package policies embeds the Rego library. How a policy is written stands in
// AUTHORING.md beside it.
package policies

import "embed"

// FS holds the library, tests and cases included, with this folder as its root.
//
//go:embed */*
var FS embed.FS
