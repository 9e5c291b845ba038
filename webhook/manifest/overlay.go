package manifest

import (
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"taffrail.dev/webhook/decision"
)

// ClusterFacts returns facts about the namespaces of a cluster.
type ClusterFacts interface {
	Namespace(ctx context.Context, name string) (decision.Namespace, error)
	Facts(ctx context.Context, namespace string, wanted []decision.Fact) (decision.Facts, error)
}

// Overlay has the facts that a cluster will have once the input is applied to it.
type Overlay struct {
	input   *Facts
	cluster ClusterFacts
}

// Over returns the facts of the input on top of those of a cluster. An object of the input
// replaces the one with the same name, and the labels of a Namespace are added to those that it
// has.
func (f *Facts) Over(cluster ClusterFacts) *Overlay { return &Overlay{input: f, cluster: cluster} }

// Namespace returns the labels of a namespace.
func (o *Overlay) Namespace(ctx context.Context, name string) (decision.Namespace, error) {
	namespace, err := o.cluster.Namespace(ctx, name)
	own, found := o.input.namespaces[name]
	if err != nil || !found {
		return namespace, err
	}
	return decision.Namespace{
		Name: name, Labels: added(namespace.Labels, own.Labels), Annotations: added(namespace.Annotations, own.Annotations),
		Known: true, Created: namespace.Created,
	}, nil
}

// added returns the labels or annotations of the cluster with those of the input.
func added(cluster, input map[string]string) map[string]string {
	all := maps.Clone(cluster)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, input)
	return all
}

// Facts returns the wanted facts about a namespace.
func (o *Overlay) Facts(ctx context.Context, namespace string, wanted []decision.Fact) (decision.Facts, error) {
	facts, err := o.cluster.Facts(ctx, namespace, wanted)
	if err != nil {
		return facts, err
	}
	input, err := o.input.Facts(ctx, namespace, wanted)
	if err != nil {
		return facts, err
	}
	return decision.Facts{
		LimitRanges: merged(facts.LimitRanges, input.LimitRanges), ResourceQuotas: merged(facts.ResourceQuotas, used(facts.ResourceQuotas, input.ResourceQuotas)),
		Autoscalers: merged(facts.Autoscalers, input.Autoscalers), PersistentVolumeClaims: merged(facts.PersistentVolumeClaims, input.PersistentVolumeClaims),
		StorageClasses: merged(facts.StorageClasses, input.StorageClasses), Fresh: facts.Fresh, Unread: facts.Unread,
	}, nil
}

// used returns the quotas of the input with what the cluster has used of those that it has.
func used(cluster, input []*corev1.ResourceQuota) []*corev1.ResourceQuota {
	all := slices.Clone(input)
	for i, quota := range all {
		at := slices.IndexFunc(cluster, func(q *corev1.ResourceQuota) bool { return q.Name == quota.Name })
		if at < 0 || len(quota.Status.Hard) > 0 {
			continue
		}
		quota = quota.DeepCopy()
		quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: cluster[at].Status.Used}
		all[i] = quota
	}
	return all
}

// merged returns the objects of the cluster, with those of the input in place of the ones with the
// same names.
func merged[T named](cluster, input []T) []T {
	if len(input) == 0 {
		return cluster
	}
	replaced := make(map[string]bool, len(input))
	for _, object := range input {
		replaced[object.GetName()] = true
	}
	var all []T
	for _, object := range cluster {
		if !replaced[object.GetName()] {
			all = append(all, object)
		}
	}
	return append(all, input...)
}
