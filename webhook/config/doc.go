// Package config reads Guardrails, Exemptions and Policies strictly and checks them
// against the catalogue of policies. One decoder and one check serve files and clusters, so that what the
// command line accepts is what a cluster runs.
package config
