package decision_test

import (
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/decision"
)

// Each kind of facts is read and replaced apart from the others.
func TestFactsByKind(t *testing.T) {
	named := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }
	from := decision.Facts{
		LimitRanges:            []*corev1.LimitRange{{ObjectMeta: named("limitRanges")}},
		ResourceQuotas:         []*corev1.ResourceQuota{{ObjectMeta: named("resourceQuotas")}},
		Autoscalers:            []*autoscalingv2.HorizontalPodAutoscaler{{ObjectMeta: named("horizontalPodAutoscalers")}},
		PersistentVolumeClaims: []*corev1.PersistentVolumeClaim{{ObjectMeta: named("persistentVolumeClaims")}},
		StorageClasses:         []*storagev1.StorageClass{{ObjectMeta: named("storageClasses")}},
	}
	var added decision.Facts
	all := []decision.Fact{decision.FactLimitRanges, decision.FactResourceQuotas, decision.FactAutoscalers, decision.FactClaims, decision.FactStorageClasses}
	for _, taken := range all {
		var facts decision.Facts
		facts.Replace(taken, &from)
		for _, fact := range all {
			objects := facts.Of(fact)
			if fact != taken && len(objects) > 0 || fact == taken && (len(objects) != 1 || objects[0].GetName() != string(fact)) {
				t.Errorf("took %s, and has of %s: %v", taken, fact, objects)
			}
		}
		added.Add(from.Of(taken)[0])
		if objects := added.Of(taken); len(objects) != 1 || objects[0].GetName() != string(taken) {
			t.Errorf("added a %s, and has %v", taken, objects)
		}
	}
}
