package pipeline

import "taffrail.dev/webhook/decision"

// Restored says which fields of an object are not new to the cluster although they are
// new to the object: a rollback brings a template back, and a Job started by hand is made
// from its CronJob. They are tolerated whatever a Guardrail says of what exists.
type Restored struct {
	// Has reports whether the field at a path is one of them; nil where none is.
	Has func(path string) bool
	// Why says where they are from, in words that end a warning.
	Why string
	// Decided reports whether the binding of that index has decided a finding's like where
	// the field is from, and nothing excused it there. It may be nil: then every binding has.
	Decided func(bound int, f *decision.Finding) bool
}

func (e *Evidence) tolerateRestored(candidates []candidate) error {
	if e.Restored == nil || !anyDenies(candidates) {
		return nil
	}
	restored, err := e.Restored()
	if err != nil || restored.Has == nil {
		return err
	}
	for i := range candidates {
		c := &candidates[i]
		if c.finding.Denies() && !c.failed() && restored.Has(c.finding.Path) && (restored.Decided == nil || restored.Decided(c.bound, &c.finding)) {
			c.excuse(restored.Why)
		}
	}
	return nil
}
