package pipeline

import (
	"context"

	"taffrail.dev/webhook/normalize"
	"taffrail.dev/webhook/review"
)

// decideRevision decides the template in a ControllerRevision as that of the DaemonSet
// which a rollback to it would make, and names fields as the ControllerRevision has them.
// Of all else that a DaemonSet has, a revision has nothing.
func (s *Snapshot) decideRevision(ctx context.Context, set *review.Request, source FactSource, o Options) (*review.Decision, error) {
	decision, err := s.decide(ctx, set, source, o, set.Workload.PodPath)
	if err != nil {
		return nil, err
	}
	for i := range decision.Findings {
		f := &decision.Findings[i]
		if f.Path != "" {
			f.Path = normalize.RevisionData + "." + f.Path
		}
		fix := make([]review.PatchOperation, 0, len(f.Fix))
		for _, operation := range f.Fix {
			operation.Path = "/" + normalize.RevisionData + operation.Path
			fix = append(fix, operation)
		}
		f.Fix = fix
	}
	return decision, nil
}
