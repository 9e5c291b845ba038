package config

import "taffrail.dev/webhook/api/v1alpha1"

// SelectsByPresence is selectsByPresence, for the test of what selectors are about.
func SelectsByPresence(spec *v1alpha1.GuardrailSpec) bool { return selectsByPresence(spec) }
