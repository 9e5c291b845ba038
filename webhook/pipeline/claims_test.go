package pipeline

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/webhook/decision"
)

// A claim belongs to a StatefulSet by its name alone: template, StatefulSet, ordinal.
func TestWhichClaimsAStatefulSetKeeps(t *testing.T) {
	own := []decision.Claim{{Name: "data", Source: decision.ClaimTemplate}, {Name: "logs", Source: decision.ClaimTemplate}, {Name: "other", Source: decision.ClaimEphemeral}}
	for name, want := range map[string]int{
		"data-db-0": 1, "data-db-17": 1, "logs-db-0": 1,
		"data-db-": 0, "data-db": 0, "data-db-x": 0, "data-db--1": 0, "data-db-0-1": 0, "data-db-4294967296": 0,
		"other-db-0": 0, "data-dbs-0": 0, "data-d-0": 0, "db-0": 0, "0": 0, "unrelated": 0,
	} {
		claim := claimOf(name, "fast", "2Gi")
		kept := retainedClaims(own, "db", []*corev1.PersistentVolumeClaim{claimOf("unrelated", "-", "1Gi"), claim})
		if len(kept) != want || want > 0 && (*kept[0].StorageClass != "fast" || !kept[0].Requests[corev1.ResourceStorage].Equal(resource.MustParse("2Gi"))) {
			t.Errorf("%s: got %+v", name, kept)
		}
	}
}
