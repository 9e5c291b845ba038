package guardrail

// Restored tells which fields of an object are not new to the cluster although they are
// to the object: a rollback brings a template back, and a Job started by hand is made of
// its CronJob. They are tolerated whatever a Guardrail says of what exists.
type Restored struct {
	// Has tells whether the field at a path is one of them; nil where none is.
	Has func(path string) bool
	// Why says where they are from, in words that end a warning.
	Why string
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
		if c := &candidates[i]; c.finding.Denies() && !c.failed() && restored.Has(c.finding.Path) {
			c.excuse(restored.Why)
		}
	}
	return nil
}
