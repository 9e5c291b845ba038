package harness

import (
	"context"
	"maps"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// JobFrom returns the Job that `kubectl create job --from=cronjob/x` would create.
func (h *Harness) JobFrom(ctx context.Context, namespace, cronJob, name string) (*batchv1.Job, error) {
	from := &batchv1.CronJob{}
	if err := h.Alice.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: cronJob}, from); err != nil {
		return nil, err
	}
	annotations := map[string]string{"cronjob.kubernetes.io/instantiate": "manual"}
	maps.Copy(annotations, from.Spec.JobTemplate.Annotations)
	owner := metav1.NewControllerRef(from, batchv1.SchemeGroupVersion.WithKind("CronJob"))
	// kubectl omits this, so that permission to create Jobs is enough.
	owner.BlockOwnerDeletion = nil
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, Labels: from.Spec.JobTemplate.Labels, Annotations: annotations,
			OwnerReferences: []metav1.OwnerReference{*owner},
		},
		Spec: *from.Spec.JobTemplate.Spec.DeepCopy(),
	}, nil
}
