package configcheck_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// exempting returns an Exemption from policies in namespace shop.
func exempting(policies ...string) *v1alpha1.Exemption {
	return &v1alpha1.Exemption{ObjectMeta: metav1.ObjectMeta{Name: "e"}, Spec: v1alpha1.ExemptionSpec{
		Policies: policies, Namespaces: []string{"shop"}, Reason: "r", Owner: "o", Expires: "2027-02-28",
	}}
}

func exemptionUntil(expires string) *v1alpha1.Exemption {
	e := exempting("image-tag")
	e.Spec.Expires = expires
	return e
}

// Only an expiry date that is being written has to be in the future. A stored one may have passed.
func TestCheckAsksForADateToCome(t *testing.T) {
	over := func(date string) string {
		return "spec.expires: " + date + " has passed: write the last day on which the Exemption is needed"
	}
	far := func(date string) string {
		return "spec.expires: " + date + " is more than a year away: is this an exception, or should the policy change?"
	}
	owned := func(e *v1alpha1.Exemption) *v1alpha1.Exemption {
		e.Spec.Owner = "somebody else"
		return e
	}
	for name, c := range map[string]struct {
		e                *v1alpha1.Exemption
		before           config.Object
		faults, warnings string
	}{
		"today":                     {exemptionUntil("2027-01-15"), nil, "", ""},
		"yesterday":                 {exemptionUntil("2027-01-14"), nil, over("2027-01-14"), ""},
		"now":                       {exemptionUntil("2027-01-15T12:00:00Z"), nil, over("2027-01-15T12:00:00Z"), ""},
		"in a second":               {exemptionUntil("2027-01-15T12:00:01Z"), nil, "", ""},
		"in 366 days":               {exemptionUntil("2028-01-16T12:00:00Z"), nil, "", ""},
		"in 366 days and a second":  {exemptionUntil("2028-01-16T12:00:01Z"), nil, "", far("2028-01-16T12:00:01Z")},
		"one that has passed since": {owned(exemptionUntil("2027-01-14")), exemptionUntil("2027-01-14"), "", ""},
		"one that was far away":     {owned(exemptionUntil("2029-01-14")), exemptionUntil("2029-01-14"), "", ""},
		"another that has passed":   {exemptionUntil("2027-01-13"), exemptionUntil("2027-01-14"), over("2027-01-13"), ""},
		"another that is far away":  {exemptionUntil("2029-01-13"), exemptionUntil("2029-01-14"), "", far("2029-01-13")},
		"one in an object broken":   {exemptionUntil("2027-01-14"), enforcing("g", binding("image-tag", "")), over("2027-01-14"), ""},
		"no date": {exemptionUntil("soon"), nil,
			`spec.expires: Invalid value: "soon": write the last day, such as 2027-01-31, or the exact end, such as 2027-01-31T18:00:00Z`, ""},
	} {
		if faults, warnings := (&configured{}).faultsOf(t, written(t, c.e, c.before)); faults != c.faults || warnings != c.warnings {
			t.Errorf("%s: got %q, and the warnings %q", name, faults, warnings)
		}
	}
}

// Only the new parts of an Exemption that a Guardrail would not honor are rejected, with what to write
// instead.
func TestCheckRefusesWhatAGuardrailDoesNotHonor(t *testing.T) {
	limited := func(name string, limits v1alpha1.ExemptionLimits, policies ...string) v1alpha1.Guardrail {
		g := enforcing(name)
		for _, policy := range policies {
			g.Spec.Policies = append(g.Spec.Policies, binding(policy, ""))
		}
		g.Spec.Exemptions = &limits
		return *g
	}
	week := limited("week", v1alpha1.ExemptionLimits{MaxDuration: "168h"}, "image-tag", "require-probes")
	hour := limited("hour", v1alpha1.ExemptionLimits{MaxDuration: "1h"}, "image-tag")
	never := limited("never", v1alpha1.ExemptionLimits{Never: []string{"require-probes"}}, "image-tag", "require-probes")
	elsewhere := limited("elsewhere", v1alpha1.ExemptionLimits{MaxDuration: "1h"}, "image-tag")
	elsewhere.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "b"}}
	onLabel := limited("label", v1alpha1.ExemptionLimits{MaxDuration: "1h"}, "image-tag")
	onLabel.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}

	created := func(e *v1alpha1.Exemption, at time.Time) *v1alpha1.Exemption {
		e.CreationTimestamp = metav1.NewTime(at)
		return e
	}
	until := func(e *v1alpha1.Exemption, expires string) *v1alpha1.Exemption {
		e.Spec.Expires = expires
		return e
	}
	longAgo := checkedAt.AddDate(0, 0, -6)
	const (
		noneFrom  = "spec.policies[1]: Guardrail never allows no Exemption from require-probes: remove it"
		inAWeek   = "spec.expires: Guardrail week honors it only until 2027-01-22T12:00:00Z: write 2027-01-21 or earlier"
		tomorrow  = "spec.expires: Guardrail week honors it only until 2027-01-16T12:00:00Z: write 2027-01-15 or earlier"
		inAnHour  = "spec.expires: Guardrail hour honors it only until 2027-01-15T13:00:00Z: write 2027-01-15T13:00:00Z or earlier"
		labelHour = "spec.expires: Guardrail label honors it only until 2027-01-15T13:00:00Z: write 2027-01-15T13:00:00Z or earlier"
	)
	for name, c := range map[string]struct {
		guardrails       []v1alpha1.Guardrail
		e, before        *v1alpha1.Exemption
		faults, warnings string
	}{
		"within a week":                       {[]v1alpha1.Guardrail{week}, until(exempting("image-tag"), "2027-01-21"), nil, "", ""},
		"a week to the second":                {[]v1alpha1.Guardrail{week}, until(exempting("image-tag"), "2027-01-22T12:00:00Z"), nil, "", ""},
		"longer than a week, told once":       {[]v1alpha1.Guardrail{week}, exempting("image-tag", "require-probes"), nil, inAWeek, ""},
		"longer, and stored for some days":    {[]v1alpha1.Guardrail{week}, created(exempting("image-tag"), longAgo), created(exempting("min-replicas"), longAgo), tomorrow, ""},
		"longer than an hour":                 {[]v1alpha1.Guardrail{hour}, exempting("image-tag"), nil, inAnHour, ""},
		"by two Guardrails":                   {[]v1alpha1.Guardrail{hour, week}, exempting("image-tag"), nil, inAnHour + "\n" + inAWeek, ""},
		"from a policy that nobody excuses":   {[]v1alpha1.Guardrail{never}, exempting("image-tag", "require-probes"), nil, noneFrom, ""},
		"from a policy that it does not bind": {[]v1alpha1.Guardrail{week}, exempting("min-replicas"), nil, "", ""},
		"in a namespace that it leaves out":   {[]v1alpha1.Guardrail{elsewhere}, exempting("image-tag"), nil, "", ""},
		"in a namespace by its label":         {[]v1alpha1.Guardrail{onLabel}, exempting("image-tag"), nil, labelHour, ""},
		"as it was before": {
			[]v1alpha1.Guardrail{week}, created(exempting("image-tag", "min-replicas"), longAgo), created(exempting("image-tag"), longAgo),
			"", "not honored: " + tomorrow,
		},
		"as it was before, and more": {
			[]v1alpha1.Guardrail{never, week}, created(exempting("image-tag", "require-probes"), longAgo), created(exempting("image-tag"), longAgo),
			noneFrom + "\n" + tomorrow, "",
		},
		"that is not valid": {[]v1alpha1.Guardrail{week}, until(exempting("image-tag"), "soon"), nil,
			`spec.expires: Invalid value: "soon": write the last day, such as 2027-01-31, or the exact end, such as 2027-01-31T18:00:00Z`, ""},
	} {
		stored := &configured{
			objects:    config.Objects{Guardrails: c.guardrails},
			namespaces: []decision.Namespace{{Name: "shop", Known: true, Labels: map[string]string{"team": "a"}}},
		}
		var before config.Object
		if c.before != nil {
			before = c.before
		}
		if faults, warnings := stored.faultsOf(t, written(t, c.e, before)); faults != c.faults || warnings != c.warnings {
			t.Errorf("%s: got\n%s\nand the warnings\n%s", name, faults, warnings)
		}
	}
}
