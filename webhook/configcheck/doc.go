// Package configcheck checks Taffrail's own configuration before it is stored. A Checker checks a
// Guardrail, an Exemption or a Policy by the rules that config.Build applies afterward (check.go), the
// limits that Guardrails share (overlap.go), injections that contradict each other (conflicts.go),
// a Policy on plain objects (trial.go), and what an Exemption loosens: within the limits of the
// Guardrails (exemption_limits.go), and with their permission (exemption_rights.go).
package configcheck
