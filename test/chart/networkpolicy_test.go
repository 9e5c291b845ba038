package chart

import (
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
)

// If the addresses of the API server are set, only they may call the webhook. By default everyone may: a policy
// that blocks the API server would cause an outage.
func TestNetworkPolicyNamesWhoMayCall(t *testing.T) {
	h := helm4(t)
	for _, test := range []struct {
		set  []string
		want []string
	}{
		{nil, nil},
		{[]string{"networkPolicy.webhookFrom[0].ipBlock.cidr=10.0.0.0/28", "networkPolicy.webhookFrom[1].ipBlock.cidr=10.0.0.16/28"}, []string{"10.0.0.0/28", "10.0.0.16/28"}},
	} {
		policy := find[networkingv1.NetworkPolicy](t, render(t, h, release().with("networkPolicy.enabled=true").with(test.set...)), "NetworkPolicy", "taffrail")
		if rules := len(policy.Spec.Ingress); rules != 2 {
			t.Fatalf("%d rules", rules)
		}
		webhook := policy.Spec.Ingress[0]
		if port := webhook.Ports[0].Port.String(); port != "webhook" || len(webhook.From) != len(test.want) {
			t.Errorf("port %s from %+v", port, webhook.From)
			continue
		}
		for i, want := range test.want {
			if block := webhook.From[i].IPBlock; block == nil || block.CIDR != want {
				t.Errorf("from %+v, want %s", webhook.From[i], want)
			}
		}
	}
}
