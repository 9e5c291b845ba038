package controller

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/reach"
)

// api serves resources, or returns an error.
type api struct {
	lists []*metav1.APIResourceList
	err   error
	asked int
}

func (a *api) ServerGroupsAndResources() ([]*metav1.APIGroup, []*metav1.APIResourceList, error) {
	a.asked++
	return nil, a.lists, a.err
}

func TestServedResources(t *testing.T) {
	a := &api{lists: []*metav1.APIResourceList{
		{GroupVersion: "example.com/v2", APIResources: []metav1.APIResource{{Name: "widgets", Kind: "Widget", Namespaced: true}, {Name: "widgets/status", Kind: "Widget"}}},
		{GroupVersion: "example.com/v1", APIResources: []metav1.APIResource{{Name: "widgets", Kind: "Widget", Namespaced: true}}},
	}}
	now := time.Unix(0, 0)
	served := newServedResources(a, func() time.Time { return now })
	mapper := servedMapper{newMapper(), served}
	widget := schema.GroupKind{Group: "example.com", Kind: "Widget"}

	// Kinds that are always read need no discovery.
	if mapping, err := mapper.RESTMapping(schema.GroupKind{Kind: "Pod"}); err != nil || mapping.Resource.Resource != "pods" || a.asked != 0 {
		t.Errorf("%+v, %v, asked %d times", mapping, err, a.asked)
	}
	for version, want := range map[string]string{"": "v2", "v1": "v1"} {
		mapping, err := mapper.RESTMapping(widget, version)
		if err != nil || mapping.Resource != (schema.GroupVersionResource{Group: "example.com", Version: want, Resource: "widgets"}) || mapping.Scope != meta.RESTScopeNamespace {
			t.Errorf("%q: %+v, %v", version, mapping, err)
		}
	}
	if _, err := mapper.RESTMapping(schema.GroupKind{Group: "example.com", Kind: "Gadget"}); !meta.IsNoMatchError(err) {
		t.Errorf("a kind that is not served: %v", err)
	}
	resources, err := served.get()
	if err != nil || a.asked != 1 || len(resources[widget].Versions) != 2 || len(resources[widget].Subresources) != 1 {
		t.Errorf("%+v, %v, asked %d times", resources, err, a.asked)
	}
	// If the API server is unavailable, nothing is known; if only an aggregated API is, the others are known.
	now = now.Add(discoveryInterval)
	a.err = errors.New("away")
	if _, err := served.get(); !errors.Is(err, a.err) {
		t.Error(err)
	}
	if _, err := mapper.RESTMapping(widget); !errors.Is(err, a.err) || meta.IsNoMatchError(err) {
		t.Errorf("a kind that may be served: %v", err)
	}
	a.err = &discovery.ErrGroupDiscoveryFailed{Groups: map[schema.GroupVersion]error{{Group: "metrics.k8s.io", Version: "v1beta1"}: errors.New("away")}}
	if resources, err := served.get(); err != nil || len(resources) != 1 {
		t.Errorf("%+v, %v", resources, err)
	}
	if _, err := mapper.RESTMapping(schema.GroupKind{Group: "metrics.k8s.io", Kind: "PodMetrics"}); err == nil || meta.IsNoMatchError(err) {
		t.Errorf("a kind of a group that is unavailable: %v", err)
	}
	if _, err := mapper.RESTMapping(schema.GroupKind{Group: "example.com", Kind: "Gadget"}); !meta.IsNoMatchError(err) {
		t.Errorf("a kind that is not served: %v", err)
	}
}

func TestReachedCondition(t *testing.T) {
	gap := func(maybe bool) reach.Gap {
		return reach.Gap{What: []string{"ingresses.networking.k8s.io (CREATE)"}, Reason: "why", Uncertain: maybe}
	}
	for name, test := range map[string]struct {
		report  *reach.Report
		err     error
		status  metav1.ConditionStatus
		reason  string
		message string
	}{
		"all of it":        {&reach.Report{}, nil, "True", v1alpha1.ReasonSent, "The API server sends every bound kind."},
		"open":             {&reach.Report{FailOpen: []string{"secrets.validate.taffrail.dev"}}, nil, "True", v1alpha1.ReasonSent, "what is sent by secrets.validate.taffrail.dev."},
		"not":              {&reach.Report{Gaps: []reach.Gap{gap(false), gap(true)}}, nil, "False", v1alpha1.ReasonNotSent, "ingresses.networking.k8s.io (CREATE) not sent: why"},
		"perhaps":          {&reach.Report{Gaps: []reach.Gap{gap(true)}}, nil, "False", v1alpha1.ReasonMaybeNotSent, "may not be sent: why"},
		"not served":       {&reach.Report{Unserved: []schema.GroupKind{{Group: "example.com", Kind: "Widget"}}}, nil, "True", v1alpha1.ReasonSent, "This cluster does not serve Widget.example.com."},
		"nobody knows":     {nil, errors.New("forbidden"), "Unknown", v1alpha1.ReasonUnreadable, "It is not known what the API server sends: forbidden"},
		"more than enough": {&reach.Report{Gaps: []reach.Gap{{What: []string{strings.Repeat("x", 2*maxConditionMessage)}}}}, nil, "False", v1alpha1.ReasonNotSent, "xxx"},
	} {
		c := reachedCondition(7, test.report, test.err)
		if c.Status != test.status || c.Reason != test.reason || c.ObservedGeneration != 7 || !strings.Contains(c.Message, test.message) || utf8.RuneCountInString(c.Message) > maxConditionMessage {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// A condition that is False is counted; a condition that no longer applies is removed and not counted.
func TestReachedIsSetAndRemoved(t *testing.T) {
	var conditions []metav1.Condition
	n := 0
	setReached(&conditions, &metav1.Condition{Type: v1alpha1.ConditionReached, Status: metav1.ConditionFalse, Reason: "R"}, &n)
	setReached(&conditions, nil, &n)
	if n != 1 || len(conditions) != 0 {
		t.Errorf("%d, %+v", n, conditions)
	}
}
