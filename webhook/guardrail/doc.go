// Package guardrail decides what becomes of what policies found: which Guardrails
// bind an object, under which mode, who is trusted, and what an object may keep that
// was already wrong.
package guardrail
