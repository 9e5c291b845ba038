package chart

import (
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"taffrail.dev/webhook/replay"
)

// A replay decides what the webhook configurations send: as objects, or for their labels and annotations.
func TestReplayDecidesWhatIsSent(t *testing.T) {
	objects := render(t, helm4(t), release())
	validating := find[admissionregistrationv1.ValidatingWebhookConfiguration](t, objects, "ValidatingWebhookConfiguration", "taffrail")
	sent := map[string]bool{} // by group/resource; true if only for labels and annotations
	for i := range validating.Webhooks {
		entry := &validating.Webhooks[i]
		if entry.ClientConfig.Service == nil || *entry.ClientConfig.Service.Path != "/validate" {
			continue
		}
		metadataOnly := slices.ContainsFunc(entry.MatchConditions, func(c admissionregistrationv1.MatchCondition) bool { return c.Name == "labels-or-annotations-change" })
		for _, rule := range entry.Rules {
			for _, resource := range rule.Resources {
				sent[rule.APIGroups[0]+"/"+resource] = metadataOnly
			}
		}
	}
	if len(sent) < 20 {
		t.Fatalf("%v", sent)
	}
	var all []string
	for name := range serves() {
		resource := serves()[name]
		all = append(all, resource.Group+"/"+resource.Name)
		for _, subresource := range resource.Subresources {
			all = append(all, resource.Group+"/"+resource.Name+"/"+subresource)
		}
	}
	for name := range sent {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	for _, name := range all {
		group, resource, _ := strings.Cut(name, "/")
		resource, subresource, _ := strings.Cut(resource, "/")
		wantMetadata, want := sent[name]
		got, gotMetadata := replay.Sends(group, resource, subresource)
		if got != want || got && gotMetadata != wantMetadata {
			t.Errorf("%s: sent %v, metadata only %v; want %v, %v", name, got, gotMetadata, want, wantMetadata)
		}
	}
}
