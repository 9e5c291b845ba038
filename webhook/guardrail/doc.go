// Package guardrail decides what becomes of what policies found: which Guardrails
// bind an object, under which mode, who is trusted, what Exemptions excuse, what an
// object may keep that was already wrong, and what a namespace loses by a change of labels.
package guardrail
