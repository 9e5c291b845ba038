// Package config decodes Guardrails, Exemptions and Policies and resolves them against the
// catalog of policies. Files and clusters share one decoder and one set of checks, so the
// command line accepts exactly what a cluster runs.
package config
