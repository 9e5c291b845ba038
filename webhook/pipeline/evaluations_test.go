package pipeline_test

import (
	"testing"

	"taffrail.dev/webhook/pipeline"
)

// evaluations compares every evaluation as soon as it is made.
type evaluations struct {
	t        *testing.T
	compared int
}

func (e *evaluations) Evaluated(evaluated *pipeline.Evaluation) {
	compared, err := evaluated.Program.Compare(e.t.Context(), evaluated.Request, evaluated.Instances, evaluated.Part, evaluated.Results)
	if err != nil {
		e.t.Error(err)
	}
	for _, c := range compared {
		if e.compared++; !c.Same {
			e.t.Errorf("%s differs", c.Policy)
		}
	}
}

// Whoever is notified of evaluations has all that is needed to repeat them.
func TestEvaluationsCanBeRepeated(t *testing.T) {
	e := &evaluations{t: t}
	if _, err := pipeline.New(build(t), known(nil), pipeline.Options{Evaluations: e}).Decide(t.Context(), manifest(t, pod(container(nil)))); err != nil {
		t.Fatal(err)
	}
	if e.compared < 10 {
		t.Errorf("only %d policies were compared", e.compared)
	}
}
