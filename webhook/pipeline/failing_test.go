package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
)

var errAway = errors.New("away")

// failingAt is a source of facts whose nth read fails.
type failingAt struct {
	facts
	n     int
	asked int
}

func (f *failingAt) fails() error {
	if f.asked++; f.asked == f.n {
		return errAway
	}
	return nil
}

func (f *failingAt) Namespace(ctx context.Context, name string) (decision.Namespace, error) {
	if err := f.fails(); err != nil {
		return decision.Namespace{}, err
	}
	return f.facts.Namespace(ctx, name)
}

func (f *failingAt) Facts(ctx context.Context, namespace string, wanted []decision.Fact) (decision.Facts, error) {
	if err := f.fails(); err != nil {
		return decision.Facts{}, err
	}
	return f.facts.Facts(ctx, namespace, wanted)
}

// Whichever read from the cluster fails, the decision fails.
func TestADecisionNeedsEveryAnswer(t *testing.T) {
	s := build(t, *enforcing("g", binding("image-tag", ""), binding("limitrange-fit", ""), binding("inject-resources", "")))
	const template = `"template":{"metadata":{"labels":{"app":"web","pod-template-hash":"1"}},"spec":{"containers":[{"name":"a","image":"a:1"}]}}`
	for name, c := range map[string]struct {
		r     *decision.Request
		least int // minimum number of reads
	}{
		"a Deployment":           {reviewed(t, decision.OriginValidating, "CREATE", "apps", "Deployment", untagged, "null"), 2},
		"one that changes":       {reviewed(t, decision.OriginValidating, "UPDATE", "apps", "Deployment", untagged, strings.Replace(untagged, "side", "other", 1)), 2},
		"a Pod that is filled":   {reviewed(t, decision.OriginMutating, "CREATE", "", "Pod", `{"metadata":{"name":"p"},"spec":{"containers":[{"name":"a","image":"a:1"}]}}`, "null"), 2},
		"a revision":             {reviewed(t, decision.OriginValidating, "CREATE", "apps", "ReplicaSet", `{"metadata":{"name":"web-1"},"spec":{`+template+`}}`, "null"), 4},
		"a ControllerRevision":   {reviewed(t, decision.OriginValidating, "CREATE", "apps", "ControllerRevision", `{"metadata":{"name":"web-1"},"revision":1,"data":`+revisionPatch+`}`, "null"), 4},
		"what says a name twice": {reviewed(t, decision.OriginValidating, "CREATE", "apps", "Deployment", strings.Replace(untagged, `"metadata":{`, `"metadata":{"name":"x",`, 1), "null"), 3},
	} {
		n := 1
		for ; ; n++ {
			source := &failingAt{facts: known(nil), n: n}
			d, err := pipeline.New(s, source, pipeline.Options{}).Decide(t.Context(), c.r)
			if source.asked < n {
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				break
			}
			if !errors.Is(err, errAway) || d != nil {
				t.Errorf("%s, without answer %d: got %+v, %v", name, n, d, err)
			}
		}
		if n <= c.least {
			t.Errorf("%s: only %d questions are asked", name, n-1)
		}
	}
}
