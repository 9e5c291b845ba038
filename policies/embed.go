// Package policies embeds the Rego library. AUTHORING.md, in the same folder, describes how to
// write a policy.
package policies

import "embed"

// FS holds the library, tests and cases included, with this folder as its root.
//
//go:embed */*
var FS embed.FS
