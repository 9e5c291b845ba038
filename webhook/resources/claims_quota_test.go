package resources

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"taffrail.dev/webhook/decision"
)

// Every resource by which a quota counts claims, as named in the API reference, with claims that fit and one
// more that does not. The current claims do not count, whether they are deleted with their Pods or retained; a
// quota with a scope counts no claims.
func TestQuotasOnClaims(t *testing.T) {
	claim := decision.Claim{Requests: list("storage=5Gi"), StorageClass: new("fast")}
	for name, each := range map[string]struct{ two, short string }{
		"persistentvolumeclaims":                                  {"2", "1"},
		"count/persistentvolumeclaims":                            {"2", "1"},
		"requests.storage":                                        {"10Gi", "9Gi"},
		"fast.storageclass.storage.k8s.io/requests.storage":       {"10Gi", "9Gi"},
		"fast.storageclass.storage.k8s.io/persistentvolumeclaims": {"2", "1"},
		"slow.storageclass.storage.k8s.io/requests.storage":       {"0", "0"},
		"slow.storageclass.storage.k8s.io/persistentvolumeclaims": {"0", "0"},
	} {
		other := each.two == "0"
		quotaOf := func(hard, used string) *corev1.ResourceQuota {
			q := &corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{Hard: list(name + "=" + hard)}}
			if used != "" {
				q.Status = corev1.ResourceQuotaStatus{Hard: q.Spec.Hard, Used: list(name + "=" + used)}
			}
			return q
		}
		demand := Demand{Pods: []Pod{pod(app("a", ""))}, Claims: []decision.Claim{claim}, Count: decision.PodCount{Steady: 2, Max: 2}}
		with := func(p *Current) Demand {
			d := demand
			d.Current = p
			return d
		}
		scoped := quotaOf(each.short, "")
		scoped.Spec.Scopes = []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeNotBestEffort}
		for what, test := range map[string]struct {
			demand Demand
			quota  *corev1.ResourceQuota
			short  bool
		}{
			"they fit":                   {demand, quotaOf(each.two, ""), false},
			"one does not":               {demand, quotaOf(each.short, ""), true},
			"all is used":                {demand, quotaOf(each.two, each.two), true},
			"it is used by kept claims":  {with(&Current{Retained: []decision.Claim{claim, claim}}), quotaOf(each.two, each.two), false},
			"a part of it is":            {with(&Current{Retained: []decision.Claim{claim}}), quotaOf(each.two, each.two), true},
			"it is used by Pods that go": {with(&Current{Pod: demand.Pods[0], Count: 2, Claims: []decision.Claim{claim}}), quotaOf(each.two, each.two), false},
			"one of the Pods goes":       {with(&Current{Pod: demand.Pods[0], Count: 1, Claims: []decision.Claim{claim}}), quotaOf(each.two, each.two), true},
			"a quota with a scope":       {demand, scoped, false},
		} {
			if short := Shortages(test.demand, []*corev1.ResourceQuota{test.quota}); (len(short) > 0) != (test.short && !other) {
				t.Errorf("%s: %s: got %+v", name, what, short)
			}
		}
	}
}
