package events_test

import (
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/events"
)

type ignored struct{}

func (ignored) Written()    {}
func (ignored) Failed()     {}
func (ignored) Summarized() {}

func TestWhatAdmissionMakesEventsAbout(t *testing.T) {
	denied := decision.Finding{Policy: "denying", Mode: decision.ModeEnforce, Message: "m"}
	warned := decision.Finding{Policy: "warning", Mode: decision.ModeWarn, Message: "m"}
	recorded := decision.Finding{Policy: "recording", Mode: decision.ModeAudit, Message: "m"}
	exempted := decision.Finding{Policy: "exempted", Mode: decision.ModeEnforce, Exemptions: []string{"legacy"}}
	request := decision.Request{
		Kind: schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, GenerateName: "web-", Namespace: decision.Namespace{Name: "shop"},
		Object: map[string]any{"metadata": map[string]any{"labels": map[string]any{"team": "payments"}}},
	}
	dry := request
	dry.DryRun = true
	for name, test := range map[string]struct {
		request  decision.Request
		path     string
		findings []decision.Finding
		err      error
		want     string
	}{
		"a denial":                 {request, admission.ValidatePath, []decision.Finding{denied, warned, recorded}, nil, "PolicyDenied web-*: Denied: denying: m. Owner: payments."},
		"a warning":                {request, admission.ValidatePath, []decision.Finding{warned, recorded}, nil, "PolicyWarning web-*: Admitted with warnings: warning: m. Owner: payments."},
		"what is only recorded":    {request, admission.ValidatePath, []decision.Finding{recorded}, nil, ""},
		"what is exempted":         {request, admission.ValidatePath, []decision.Finding{exempted}, nil, ""},
		"a dry run":                {dry, admission.ValidatePath, []decision.Finding{denied}, nil, ""},
		"another path":             {request, admission.MutatePath, []decision.Finding{warned}, nil, ""},
		"a request that failed":    {request, admission.ValidatePath, []decision.Finding{denied}, errors.New("failed"), ""},
		"an object without faults": {request, admission.ValidatePath, nil, nil, ""},
	} {
		client := fake.NewClientset()
		writer := events.NewWriter(events.Options{Client: client.EventsV1(), Controller: "c", Instance: "i", Counter: ignored{}, Now: time.Now, Log: logr.Discard()})
		observer := &events.Observer{Writer: writer, OwnerLabels: []string{"team"}}
		observer.Observe(&admission.Observation{
			Path: test.path, Request: &test.request, Err: test.err,
			Decision: &decision.Decision{Findings: test.findings}, Verdict: decision.Worst(test.findings),
		})
		events.WriteAll(t.Context(), writer)
		list, err := client.EventsV1().Events("shop").List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for i := range list.Items {
			got += list.Items[i].Reason + " " + list.Items[i].Regarding.Name + ": " + list.Items[i].Note
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
	none := &events.Observer{}
	none.Observe(&admission.Observation{Path: admission.ValidatePath, Request: &request}) // no policy was evaluated
}
