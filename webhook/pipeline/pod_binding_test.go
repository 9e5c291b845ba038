package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/labels"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
)

const (
	balancer = `{"metadata":{"name":"web","namespace":"shop","labels":{"app":"web"},"annotations":%s},
		"spec":{"type":"LoadBalancer","loadBalancerClass":"service.k8s.aws/nlb","selector":{"app":"web"},"ports":[{"port":80}]},"status":%s}`
	internal = `{"service.beta.kubernetes.io/aws-load-balancer-scheme":"internal"}`
)

// Labels and annotations count through whichever subresource they are written; nothing else in the subresource
// does.
func TestMetadataByWayOfSubresources(t *testing.T) {
	s := build(t, guardrail("strict", v1alpha1.ModeEnforce, binding("loadbalancer-exposure", "")))
	for name, test := range map[string]struct {
		subresource, annotations, status, before string
		want                                     decision.Verdict
	}{
		"the scheme goes":                 {"status", `{}`, `{}`, internal, decision.VerdictDeny},
		"all annotations go":              {"status", `null`, `{}`, internal, decision.VerdictDeny},
		"the scheme stays":                {"status", internal, `{"loadBalancer":{"ingress":[{"ip":"192.0.2.1"}]}}`, internal, decision.VerdictAllow},
		"it never had one":                {"status", `{"other":"x"}`, `{}`, `null`, decision.VerdictWarn},
		"nothing of metadata changes":     {"status", `null`, `{"a":"b"}`, `{}`, decision.VerdictAllow},
		"a subresource that takes none":   {"scale", `{}`, `{}`, internal, decision.VerdictAllow},
		"a subresource that is not known": {"proxy", `{}`, `{}`, internal, decision.VerdictAllow},
	} {
		t.Run(name, func(t *testing.T) {
			r := admission(t, "UPDATE", "", "Service", test.subresource, "carol", fmt.Sprintf(balancer, test.annotations, test.status), fmt.Sprintf(balancer, test.before, `{}`))
			if d := decide(t, s, r, known(nil)); d.Verdict != test.want {
				t.Errorf("got %v %v, want %v", d.Verdict, policiesIn(d), test.want)
			}
		})
	}
}

// pods is a PodReader with one Pod.
type pods struct {
	pod   map[string]any
	err   error
	asked int
}

func (p *pods) Pod(context.Context, string, string) (map[string]any, error) {
	p.asked++
	return p.pod, p.err
}

func TestBindings(t *testing.T) {
	s := build(t, guardrail("strict", v1alpha1.ModeEnforce, binding("app-label", "")))
	stored := func() map[string]any {
		return admission(t, "CREATE", "", "Pod", "", "carol", `{"metadata":{"name":"web","namespace":"shop","labels":{"app":"web"}},"spec":{"containers":[{"name":"main","image":"app:1.0.0"}]}}`, "null").Object
	}
	away := errors.New("away")
	for name, test := range map[string]struct {
		metadata string
		pods     *pods
		want     decision.Verdict
		asked    int
		err      error
	}{
		"nothing of metadata":  {``, &pods{pod: stored()}, decision.VerdictAllow, 0, nil},
		"empty":                {`,"labels":{},"annotations":null`, &pods{pod: stored()}, decision.VerdictAllow, 0, nil},
		"another label":        {`,"labels":{"other":"x"}`, &pods{pod: stored()}, decision.VerdictAllow, 1, nil},
		"the label is emptied": {`,"labels":{"app":""}`, &pods{pod: stored()}, decision.VerdictDeny, 1, nil},
		"no such Pod":          {`,"labels":{"app":""}`, &pods{}, decision.VerdictAllow, 1, nil},
		"it cannot be read":    {`,"labels":{"app":""}`, &pods{err: away}, 0, 1, away},
	} {
		t.Run(name, func(t *testing.T) {
			for _, subresource := range []string{"binding", ""} {
				test.pods.asked = 0
				r := admission(t, "CREATE", "", "Binding", subresource, "carol", `{"metadata":{"name":"web","namespace":"shop"`+test.metadata+`},"target":{"kind":"Node","name":"a"}}`, "null")
				d, err := pipeline.New(s, known(nil), pipeline.Options{Pods: test.pods}).Decide(t.Context(), r)
				if !errors.Is(err, test.err) || test.pods.asked != test.asked || err == nil && d.Verdict != test.want {
					t.Errorf("got %+v, %v after %d reads", d, err, test.pods.asked)
				}
			}
		})
	}
	// If the Pod cannot be read, the Binding is not allowed.
	r := admission(t, "CREATE", "", "Binding", "binding", "carol", `{"metadata":{"name":"web","labels":{"app":""}}}`, "null")
	if d, err := pipeline.New(s, known(nil), pipeline.Options{}).Decide(t.Context(), r); err == nil {
		t.Errorf("got %+v", d)
	}
}

// webhooks holds the namespace selectors of webhooks.
type webhooks struct {
	selectors []string
	err       error
}

func (w webhooks) Selectors(context.Context) ([]labels.Selector, error) {
	var all []labels.Selector
	for _, text := range w.selectors {
		selector, err := labels.Parse(text)
		if err != nil {
			return nil, err
		}
		all = append(all, selector)
	}
	return all, w.err
}

// Removing a namespace from the webhooks removes it from every Guardrail.
func TestLeavingTheWebhooksIsLoosening(t *testing.T) {
	s := build(t, guardrail("everywhere", v1alpha1.ModeEnforce, binding("image-tag", "")))
	away := errors.New("away")
	for name, test := range map[string]struct {
		webhooks      webhooks
		before, after map[string]any
		want          string
		err           error
	}{
		"the label goes":           {webhooks{selectors: []string{"guard=on"}}, map[string]any{"guard": "on"}, nil, "without guard=on, the API server no longer calls Taffrail", nil},
		"its value changes":        {webhooks{selectors: []string{"guard=on"}}, map[string]any{"guard": "on"}, map[string]any{"guard": "off"}, "with guard=off instead of on, the API server no longer calls Taffrail", nil},
		"one that excludes comes":  {webhooks{selectors: []string{"skip notin (yes)"}}, nil, map[string]any{"skip": "yes"}, "with skip=yes, the API server no longer calls Taffrail", nil},
		"one of two entries":       {webhooks{selectors: []string{"", "guard=on"}}, map[string]any{"guard": "on"}, nil, "without guard=on", nil},
		"it was never selected":    {webhooks{selectors: []string{"guard=on"}}, map[string]any{"a": "b"}, nil, "", nil},
		"it is selected afterward": {webhooks{selectors: []string{"guard=on"}}, nil, map[string]any{"guard": "on"}, "", nil},
		"another label":            {webhooks{selectors: []string{"guard=on"}}, map[string]any{"guard": "on"}, map[string]any{"guard": "on", "a": "b"}, "", nil},
		"nobody knows":             {webhooks{err: away}, map[string]any{"guard": "on"}, nil, "", away},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := pipeline.New(s, nil, pipeline.Options{Webhooks: test.webhooks}).Relax(t.Context(), relabel(test.before, test.after), &relaxers{})
			if !errors.Is(err, test.err) {
				t.Fatal(err)
			}
			switch {
			case err != nil:
			case test.want == "" && len(d.Findings) > 0:
				t.Errorf("found %+v", d.Findings)
			case test.want != "" && (d.Verdict != decision.VerdictDeny || !strings.Contains(d.Findings[0].Message, test.want)):
				t.Errorf("got %+v", d)
			}
		})
	}
}
