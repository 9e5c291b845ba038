package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/reach"
	"taffrail.dev/webhook/rego"
)

// reachabilityOptions configures a reachability.
type reachabilityOptions struct {
	// name is the name of both webhook configurations.
	name         string
	here         reach.Installation
	cached, live client.Reader
	served       *servedResources
	log          logr.Logger
}

// reachability reads the webhook configurations of this installation. All replicas need them to find out
// whether a change of labels removes a namespace from the webhooks; the leader reports which bound kinds are
// not sent.
type reachability struct {
	reachabilityOptions

	mutex sync.Mutex
	// synced reports whether the cache has both configurations.
	synced []toolscache.InformerSynced
}

func newReachability(o reachabilityOptions) *reachability {
	return &reachability{reachabilityOptions: o}
}

// webhookCache restricts a cache to the two configurations, because RBAC grants access to no others.
func webhookCache(name string) map[client.Object]cache.ByObject {
	named := cache.ByObject{Field: fields.OneTermEqualSelector("metadata.name", name)}
	return map[client.Object]cache.ByObject{
		&admissionregistrationv1.MutatingWebhookConfiguration{}:   named,
		&admissionregistrationv1.ValidatingWebhookConfiguration{}: named,
	}
}

// watch fires on every change of the configurations. It does not wait for the sync, because decisions do not
// depend on it.
func (r *reachability) watch(ctx context.Context, watched cache.Cache, t *trigger) {
	handler := toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { t.fire() }, UpdateFunc: func(any, any) { t.fire() }, DeleteFunc: func(any) { t.fire() },
	}
	var synced []toolscache.InformerSynced
	for _, object := range []client.Object{
		&admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.ValidatingWebhookConfiguration{},
	} {
		informer, err := watched.GetInformer(ctx, object, cache.BlockUntilSynced(false))
		if err == nil {
			_, err = informer.AddEventHandler(handler)
		}
		if err != nil {
			if ctx.Err() == nil {
				r.log.Error(err, "Cannot watch the webhook configurations")
			}
			return
		}
		synced = append(synced, informer.HasSynced)
	}
	r.mutex.Lock()
	r.synced = synced
	r.mutex.Unlock()
}

// entries returns the entries of both configurations.
func (r *reachability) entries(ctx context.Context) ([]reach.Entry, error) {
	r.mutex.Lock()
	reader := r.cached
	if len(r.synced) == 0 || slices.ContainsFunc(r.synced, func(synced toolscache.InformerSynced) bool { return !synced() }) {
		reader = r.live
	}
	r.mutex.Unlock()
	mutating, validating := &admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.ValidatingWebhookConfiguration{}
	for _, object := range []client.Object{mutating, validating} {
		if err := client.IgnoreNotFound(reader.Get(ctx, client.ObjectKey{Name: r.name}, object)); err != nil {
			return nil, fmt.Errorf("reading %s %s: %w", kindOf(object), r.name, err)
		}
	}
	return reach.Entries(mutating, validating, r.here), nil
}

// Selectors implements pipeline.Webhooks. If the configurations cannot be read, only Guardrails count; that can
// happen only if RBAC was installed by hand.
func (r *reachability) Selectors(ctx context.Context) ([]labels.Selector, error) {
	entries, err := r.entries(ctx)
	if apierrors.IsForbidden(err) {
		r.log.Error(err, "Cannot read the webhook configurations: a change of namespace labels is decided without their selectors")
		return nil, nil
	}
	return reach.Selectors(entries), err
}

// cluster returns what the API server sends and serves.
func (r *reachability) cluster(ctx context.Context, namespaces func(context.Context) ([]decision.Namespace, error)) (*reach.Cluster, error) {
	entries, err := r.entries(ctx)
	if err != nil {
		return nil, err
	}
	resources, err := r.served.get()
	if err != nil {
		return nil, err
	}
	all, err := namespaces(ctx)
	if err != nil {
		return nil, err
	}
	return reach.NewCluster(entries, resources, all, r.here.Namespace), nil
}

// boundBy returns what a Guardrail in force binds. labeled reports whether the webhooks select namespaces by
// labels that users can remove.
func boundBy(g *config.Guardrail, labeled bool) reach.Scope {
	b := reach.Scope{Covers: g.Covers, Relaxes: labeled || g.SelectsByLabels()}
	for i := range g.Bindings {
		b.Kinds = append(b.Kinds, g.Bindings[i].Policy.Kinds...)
		b.Injects = b.Injects || g.Bindings[i].Policy.Mutates
	}
	return b
}

// boundOf returns the kinds of a Policy in the namespaces of the Guardrails that bind it. A Policy that no
// Guardrail binds is reported as if it were bound everywhere.
func boundOf(policy *rego.Policy, all config.Guardrails) (bound reach.Scope, anywhere bool) {
	var binding config.Guardrails
	for _, g := range all {
		if slices.ContainsFunc(g.Bindings, func(b config.Binding) bool { return b.Policy.ID == policy.ID }) {
			binding = append(binding, g)
		}
	}
	return reach.Scope{
		Kinds: policy.Kinds, Injects: policy.Mutates,
		Covers: func(namespace decision.Namespace) bool {
			return slices.ContainsFunc(binding, func(g *config.Guardrail) bool { return g.Covers(namespace) })
		},
	}, len(binding) > 0
}

// reachedCondition returns the condition Reached for a report.
func reachedCondition(generation int64, r *reach.Report, err error) metav1.Condition {
	c := metav1.Condition{
		Type: v1alpha1.ConditionReached, Status: metav1.ConditionTrue, ObservedGeneration: generation,
		Reason: v1alpha1.ReasonSent, Message: "The API server sends every bound kind.",
	}
	if err != nil {
		c.Status, c.Reason = metav1.ConditionUnknown, v1alpha1.ReasonUnreadable
		c.Message = decision.Line("It is not known what the API server sends: "+err.Error(), maxConditionMessage)
		return c
	}
	var texts []string
	for i := range r.Gaps {
		texts = append(texts, r.Gaps[i].String())
	}
	switch {
	case len(r.Gaps) > 0 && r.Gaps[0].Uncertain:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, v1alpha1.ReasonMaybeNotSent, "The API server may not send everything that is bound: "
	case len(r.Gaps) > 0:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, v1alpha1.ReasonNotSent, "The API server does not send everything that is bound: "
	}
	message := c.Message + strings.Join(texts, "; ")
	if len(r.Unserved) > 0 {
		kinds := make([]string, len(r.Unserved))
		for i, kind := range r.Unserved {
			kinds[i] = kind.String()
		}
		message += " This cluster does not serve " + strings.Join(kinds, ", ") + "."
	}
	if len(r.Gaps) == 0 && len(r.FailOpen) > 0 {
		message += " While Taffrail is unavailable, failurePolicy Ignore admits unchecked what is sent by " + strings.Join(r.FailOpen, ", ") + "."
	}
	c.Message = decision.Line(message, maxConditionMessage)
	return c
}

// reached is what the API server sends, read once for all statuses.
type reached struct {
	cluster *reach.Cluster
	err     error
	set     config.Guardrails
	catalog *rego.Catalog
}

// readReached returns nil if there is no reachability.
func (w *statusWriter) readReached(ctx context.Context, compiled *outcome) *reached {
	if w.reachability == nil {
		return nil
	}
	found := &reached{set: compiled.snapshot.Guardrails(), catalog: compiled.snapshot.Catalog()}
	found.cluster, found.err = w.reachability.cluster(ctx, w.namespaces)
	return found
}

// guardrail returns the condition of a Guardrail, or nil if no part of it is in force.
func (r *reached) guardrail(name string, generation int64) *metav1.Condition {
	if r == nil {
		return nil
	}
	at := slices.IndexFunc(r.set, func(g *config.Guardrail) bool { return g.Name == name })
	if at < 0 {
		return nil
	}
	return r.condition(generation, boundBy(r.set[at], r.cluster != nil && r.cluster.SelectsByLabels()))
}

// policy returns the condition of a Policy, or nil if it cannot be bound.
func (r *reached) policy(id string, generation int64) *metav1.Condition {
	if r == nil || r.catalog == nil {
		return nil
	}
	policy, there := r.catalog.Policy(id)
	if !there {
		return nil
	}
	bound, anywhere := boundOf(policy, r.set)
	c := r.condition(generation, bound)
	if !anywhere && c.Status == metav1.ConditionTrue {
		c.Message += " No Guardrail binds it."
	}
	return c
}

func (r *reached) condition(generation int64, bound reach.Scope) *metav1.Condition {
	var c metav1.Condition
	if r.err != nil {
		c = reachedCondition(generation, nil, r.err)
	} else {
		report := r.cluster.Report(bound)
		c = reachedCondition(generation, &report, nil)
	}
	return &c
}

// setReached sets the condition, and counts it if it is False. A nil condition is removed.
func setReached(conditions *[]metav1.Condition, c *metav1.Condition, notSent *int) {
	if c == nil {
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionReached)
		return
	}
	if c.Status == metav1.ConditionFalse {
		*notSent++
	}
	meta.SetStatusCondition(conditions, *c)
}
