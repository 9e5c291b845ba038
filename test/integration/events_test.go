package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
)

// Whoever applies through GitOps sees no warning. Events tell, once for an object and its findings, and in summary where
// there are many.
func TestEventsSayWhatAdmissionDoes(t *testing.T) {
	server := newServer(t, harness.ServerOptions{Name: "events", Events: true})
	registration := unique("events")
	register(t, harness.Registration{Name: registration, Address: server.Address(), FailurePolicy: admissionregistrationv1.Fail})
	denying := newNamespace(t, registration+"-denying", enforced, servedBy(registration))
	warning := newNamespace(t, registration+"-warning", warned, servedBy(registration))
	must(t, cluster.AwaitEnforcement(t.Context(), denying))

	_, denied := cluster.Alice.Create(t.Context(), nginx(t, denying, "dry"), client.DryRunAll).Denied()
	if !denied {
		t.Fatal("a dry run is not decided")
	}
	for range 3 {
		deny(t, "a violating Deployment", cluster.Alice.Create(t.Context(), nginx(t, denying, "web")))
	}
	admit(t, "a violating Deployment", cluster.Alice.Create(t.Context(), nginx(t, warning, "web")))

	awaitEvents(t, denying, func(all []eventsv1.Event) error {
		if len(all) != 1 || all[0].Reason != "PolicyDenied" || all[0].Regarding.Name != "web" || all[0].Regarding.Kind != "Deployment" ||
			!strings.Contains(all[0].Note, `image-tag, container "nginx"`) || !strings.Contains(all[0].Note, "Fix: ") {
			return fmt.Errorf("there are %+v", all)
		}
		return nil
	})
	awaitEvents(t, warning, func(all []eventsv1.Event) error {
		if len(all) != 1 || all[0].Reason != "PolicyWarning" || all[0].Regarding.Name != "web" || all[0].Regarding.UID == "" {
			return fmt.Errorf("there are %+v", all)
		}
		return nil
	})

	// What nobody decided, the audit finds.
	existing := newNamespace(t, registration+"-existing", enforced, unserved)
	auditor := newAuditor(t, "events", "--events")
	eventually(t, "its first pass", func(ctx context.Context) error {
		complete, _, err := auditor.Metric(ctx, "taffrail_audit_complete")
		if err == nil && complete != 1 {
			err = errors.New("it has not ended")
		}
		return err
	})
	admit(t, "a violating Deployment", cluster.Alice.Create(t.Context(), nginx(t, existing, "old")))
	awaitEvents(t, existing, func(all []eventsv1.Event) error {
		if len(all) != 1 || all[0].Reason != "PolicyViolation" || all[0].Action != "Audit" || all[0].Regarding.Name != "old" || all[0].Regarding.UID == "" {
			return fmt.Errorf("there are %+v", all)
		}
		return nil
	})

	const many = 60
	for i := range many {
		deny(t, "one of many", cluster.Alice.Create(t.Context(), nginx(t, denying, fmt.Sprintf("many-%d", i))))
	}
	awaitEvents(t, denying, func(all []eventsv1.Event) error {
		for i := range all {
			if all[i].Reason == "PolicyViolations" && strings.Contains(all[i].Note, "image-tag") && all[i].Regarding.Kind == "Namespace" && len(all) < 10 {
				return nil
			}
		}
		return fmt.Errorf("there are %d: %+v", len(all), all)
	})
}

// awaitEvents waits until Taffrail's Events of a namespace are as required.
func awaitEvents(t *testing.T, namespace string, required func([]eventsv1.Event) error) {
	t.Helper()
	eventually(t, "the Events of "+namespace, func(ctx context.Context) error {
		var list eventsv1.EventList
		if err := cluster.Admin.Client.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return err
		}
		var ours []eventsv1.Event
		for i := range list.Items {
			if strings.HasPrefix(list.Items[i].ReportingController, "taffrail.dev/") {
				ours = append(ours, list.Items[i])
			}
		}
		return required(ours)
	})
}
