package config_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// A change of the configuration changes the fingerprint of what it touches, and of nothing else.
func TestFingerprint(t *testing.T) {
	deployment, service := schema.GroupKind{Group: "apps", Kind: "Deployment"}, schema.GroupKind{Kind: "Service"}
	shop, other := decision.Namespace{Name: "shop", Labels: map[string]string{"team": "shop"}, Known: true}, decision.Namespace{Name: "other", Known: true}
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	base := func() config.Objects {
		return config.Objects{
			Guardrails: []v1alpha1.Guardrail{
				{ObjectMeta: metav1.ObjectMeta{Name: "all"}, Spec: v1alpha1.GuardrailSpec{
					Mode: v1alpha1.ModeEnforce, Policies: []v1alpha1.PolicyBinding{{Name: "image-tag"}},
				}},
				{ObjectMeta: metav1.ObjectMeta{Name: "shop"}, Spec: v1alpha1.GuardrailSpec{
					Mode: v1alpha1.ModeWarn, NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "shop"}},
					Policies: []v1alpha1.PolicyBinding{{Name: "loadbalancer-exposure"}},
				}},
			},
			Exemptions: []v1alpha1.Exemption{{ObjectMeta: metav1.ObjectMeta{Name: "e", CreationTimestamp: metav1.NewTime(now)}, Spec: v1alpha1.ExemptionSpec{
				Policies: []string{"image-tag"}, Namespaces: []string{"shop"}, Reason: "r", Owner: "o", Expires: "2027-01-10",
			}}},
		}
	}
	type place struct {
		kind      schema.GroupKind
		namespace decision.Namespace
	}
	places := map[string]place{
		"Deployments of shop": {deployment, shop}, "Deployments of other": {deployment, other},
		"Services of shop": {service, shop}, "Services of other": {service, other},
	}
	fingerprints := func(o config.Objects, now time.Time) map[string]uint64 {
		t.Helper()
		snapshot, problems, err := config.Build(t.Context(), library(t), o)
		if err != nil || len(problems) > 0 {
			t.Fatal(problems, err)
		}
		found := map[string]uint64{}
		for name, p := range places {
			found[name] = snapshot.Fingerprint(p.kind, p.namespace, now)
		}
		return found
	}
	before := fingerprints(base(), now)
	for name, c := range map[string]struct {
		change  func(*config.Objects)
		now     time.Time
		touched []string
	}{
		"nothing":         {func(*config.Objects) {}, now, nil},
		"the reason":      {func(o *config.Objects) { o.Exemptions[0].Spec.Reason = "another" }, now, nil},
		"a later expiry":  {func(o *config.Objects) { o.Exemptions[0].Spec.Expires = "2027-02-10" }, now, nil},
		"trusted writers": {func(o *config.Objects) { o.Guardrails[0].Spec.TrustedWriters.Users = []string{"ana"} }, now, nil},
		"a mode":          {func(o *config.Objects) { o.Guardrails[0].Spec.Mode = v1alpha1.ModeWarn }, now, []string{"Deployments of shop", "Deployments of other"}},
		"a policy":        {func(o *config.Objects) { o.Guardrails[1].Spec.Mode = v1alpha1.ModeAudit }, now, []string{"Services of shop"}},
		"an exclusion":    {func(o *config.Objects) { o.Guardrails[0].Spec.ExcludeNamespaces = []string{"other"} }, now, []string{"Deployments of other"}},
		"a selector":      {func(o *config.Objects) { o.Guardrails[1].Spec.NamespaceSelector = nil }, now, []string{"Services of other"}},
		"an Exemption":    {func(o *config.Objects) { o.Exemptions[0].Spec.Names = []string{"a"} }, now, []string{"Deployments of shop"}},
		"its limits": {func(o *config.Objects) {
			o.Guardrails[0].Spec.Exemptions = &v1alpha1.ExemptionLimits{Never: []string{"image-tag"}}
		}, now, []string{"Deployments of shop"}},
		"its expiry": {func(*config.Objects) {}, now.AddDate(0, 0, 10), []string{"Deployments of shop"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := base()
			c.change(&o)
			touched := map[string]bool{}
			for _, at := range c.touched {
				touched[at] = true
			}
			for at, got := range fingerprints(o, c.now) {
				if changed := got != before[at]; changed != touched[at] {
					t.Errorf("%s changed: %t", at, changed)
				}
			}
		})
	}
}

func TestNextExpiry(t *testing.T) {
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	objects := config.Objects{
		Guardrails: []v1alpha1.Guardrail{{ObjectMeta: metav1.ObjectMeta{Name: "g"}, Spec: v1alpha1.GuardrailSpec{
			Mode: v1alpha1.ModeEnforce, Policies: []v1alpha1.PolicyBinding{{Name: "image-tag"}},
			Exemptions: &v1alpha1.ExemptionLimits{MaxDuration: "48h"},
		}}},
		Exemptions: []v1alpha1.Exemption{{ObjectMeta: metav1.ObjectMeta{Name: "e", CreationTimestamp: metav1.NewTime(now)}, Spec: v1alpha1.ExemptionSpec{
			Policies: []string{"image-tag"}, Namespaces: []string{"*"}, Reason: "r", Owner: "o", Expires: "2027-01-10",
		}}},
	}
	snapshot, _, err := config.Build(t.Context(), library(t), objects)
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[time.Time]time.Time{
		now:                     now.Add(48 * time.Hour),
		now.Add(48 * time.Hour): now.AddDate(0, 0, 10),
		now.AddDate(0, 0, 10):   {},
	} {
		if got := snapshot.NextExpiry(at); !got.Equal(want) {
			t.Errorf("after %s: %s, want %s", at, got, want)
		}
	}
}
