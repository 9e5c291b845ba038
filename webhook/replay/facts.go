package replay

import (
	"context"
	"maps"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
)

// facts has the facts of a moment: those that the log has so far, on top of those of another source, which are of a
// later time.
type facts struct {
	// base is nil if the log is the only source.
	base pipeline.FactSource
	// history is nil if the log was not read before.
	history    *History
	namespaces map[string]*namespace
	// classes is the namespace of cluster-scoped facts.
	classes *namespace
	// written has the resources of which the log has had writes so far.
	written map[resource]bool
	// size is what the objects take, approximately. full is set once that was too much, so that some are forgotten.
	size int
	full bool

	// now is the time of the current decision, and received when the API server has begun with the write. version is the
	// resourceVersion that the write results in, if that is known.
	now, received time.Time
	version       string
	// missing has the facts that are not known to the current decision, with the reason.
	missing map[decision.Fact]string
}

const (
	// maxFacts limits the memory for facts, in bytes of their texts.
	maxFacts = 16 << 20
	// factOverhead is what a fact takes besides that.
	factOverhead = 500
)

// namespace is what the log has about a namespace.
type namespace struct {
	// born is true if the log has its creation, and so everything in it.
	born bool
	// labeled is true if labels are known, and unlabeled if the log has a write without them since.
	labeled, unlabeled bool
	labels             map[string]string
	annotations        map[string]string
	created            time.Time
	uid, version       string
	// limited is when a LimitRange was last written.
	limited time.Time
	// size is that of the text of the Namespace.
	size    int
	objects map[decision.Fact]map[string]kept
	// deleted has the names of deleted objects, and unread those that were written without their content.
	deleted, unread map[decision.Fact]map[string]bool
}

func newFacts(base pipeline.FactSource, history *History) *facts {
	return &facts{
		base: base, history: history, namespaces: map[string]*namespace{}, classes: newNamespace(), written: map[resource]bool{},
		missing: map[decision.Fact]string{},
	}
}

func newNamespace() *namespace {
	return &namespace{objects: map[decision.Fact]map[string]kept{}, deleted: map[decision.Fact]map[string]bool{}, unread: map[decision.Fact]map[string]bool{}}
}

// kept is a fact with the size of its text.
type kept struct {
	metav1.Object

	size int
}

// of returns a namespace to write to.
func (f *facts) of(name string) *namespace {
	n := f.namespaces[name]
	if n == nil {
		n = newNamespace()
		if f.grow(factOverhead + len(name)) {
			f.namespaces[name] = n
		}
	}
	return n
}

// grow reports whether there is memory for some more bytes.
func (f *facts) grow(bytes int) bool {
	if f.size+bytes > maxFacts {
		f.full = true
		return false
	}
	f.size += bytes
	return true
}

// reset begins a decision about a write that was received and completed at some time, and results in a resourceVersion.
func (f *facts) reset(received, now time.Time, version string) {
	clear(f.missing)
	f.received, f.now, f.version = received, now, version
}

// Namespace implements pipeline.FactSource.
func (f *facts) Namespace(ctx context.Context, name string) (decision.Namespace, error) {
	if name == "" {
		return decision.Namespace{Known: true}, nil
	}
	n := f.namespaces[name]
	switch {
	case n != nil && n.labeled:
		return decision.Namespace{Name: name, Labels: n.labels, Annotations: n.annotations, Known: true, Created: n.created}, nil
	case n != nil && n.unlabeled:
		return decision.Namespace{Name: name, Missing: "was written without its labels being in the log"}, nil
	case f.base == nil:
		return decision.Namespace{Name: name, Missing: "is not in the log"}, nil
	case f.full && n == nil:
		return decision.Namespace{Name: name, Missing: "was forgotten for want of memory"}, nil
	case f.history.changes(objectKey{namespaces, "", name}, f.now):
		return decision.Namespace{Name: name, Missing: "is changed later in the log, and its labels before that are not known"}, nil
	}
	found, err := f.base.Namespace(ctx, name)
	switch {
	case err != nil:
	case !found.Known && found.Missing == "":
		found.Missing = "is not in the log, nor in the facts"
	case found.Created.After(f.now):
		found = decision.Namespace{Name: name, Missing: "was created again later, and its labels before that are not known"}
	}
	return found, err
}

// Facts implements pipeline.FactSource.
func (f *facts) Facts(ctx context.Context, name string, wanted []decision.Fact) (decision.Facts, error) {
	all := decision.Facts{Fresh: true}
	for _, fact := range wanted {
		base, err := f.known(ctx, fact, name)
		if err != nil {
			return all, err
		}
		if reason := base.Unread[fact]; reason != "" {
			all.SetUnread(fact, reason)
			continue
		}
		part := f.find(fact, name).over(fact, &base)
		all.Replace(fact, &part)
	}
	return all, nil
}

// find returns what the log has about the namespace of a fact, or nil.
func (f *facts) find(fact decision.Fact, name string) *namespace {
	if fact == decision.FactStorageClasses {
		return f.classes
	}
	return f.namespaces[name]
}

// known returns what is known of a fact besides what the log has.
func (f *facts) known(ctx context.Context, fact decision.Fact, name string) (base decision.Facts, err error) {
	in, r := f.find(fact, name), resourceOfFact(fact)
	what := described(fact, name)
	switch {
	case f.missing[fact] != "":
		base.SetUnread(fact, f.missing[fact])
	case in != nil && len(in.unread[fact]) > 0:
		base.SetUnread(fact, "the log does not have the content of the "+what)
	case in != nil && fact == decision.FactLimitRanges && f.received.Before(in.limited):
		base.SetUnread(fact, "the "+what+" were changed while the write was made")
	case f.full && in == nil:
		base.SetUnread(fact, "the "+what+" were forgotten for want of memory")
	case in != nil && in.born && f.records(r), name == "":
	case f.base != nil:
		return f.fromBase(ctx, fact, name)
	case in != nil && in.born:
		base.SetUnread(fact, "the log has no write of "+factNames[fact]+", and may leave them out: use --facts or --live")
	default:
		base.SetUnread(fact, "the "+what+" are not in the log: use --facts or --live")
	}
	return base, nil
}

// records reports whether the log contains writes of a resource. An audit policy may leave them out.
func (f *facts) records(r resource) bool {
	return f.written[r] || f.history != nil && f.history.written[r]
}

// fromBase returns those facts of the other source that were the same at the time of the decision.
func (f *facts) fromBase(ctx context.Context, fact decision.Fact, name string) (base decision.Facts, err error) {
	in, r, within := f.find(fact, name), resourceOfFact(fact), name
	if fact == decision.FactStorageClasses {
		within = ""
	} else if n, err := f.base.Namespace(ctx, name); err != nil {
		return base, err
	} else if !n.Known {
		base.SetUnread(fact, "the "+described(fact, name)+" are not in the facts")
		return base, nil
	}
	if f.history.changedAfter(r, within, f.now, func(object string) bool { return in.knows(fact, object) }) {
		base.SetUnread(fact, "the "+described(fact, name)+" are changed later in the log, and what they were before that is not known")
		return base, nil
	}
	found, err := f.base.Facts(ctx, name, []decision.Fact{fact})
	if err != nil || found.Unread[fact] != "" {
		return found, err
	}
	for _, object := range found.Of(fact) {
		switch {
		case in.knows(fact, object.GetName()), object.GetCreationTimestamp().After(f.now):
			continue // over adds the one in the log
		case isStatic(fact) && isLater(object.GetResourceVersion(), f.version):
			base.SetUnread(fact, "the "+described(fact, name)+" were changed later, and what they were before that is not known")
			return base, nil
		}
		base.Add(object)
	}
	return base, nil
}

// isStatic reports whether a fact has no status that changes all the time, besides what is read of it.
func isStatic(fact decision.Fact) bool {
	return fact == decision.FactLimitRanges || fact == decision.FactResourceQuotas || fact == decision.FactStorageClasses
}

// knows reports whether the log has had the object, or its deletion.
func (n *namespace) knows(fact decision.Fact, object string) bool {
	return n != nil && (n.objects[fact][object].Object != nil || n.deleted[fact][object])
}

// described names the facts of a namespace.
func described(fact decision.Fact, name string) string {
	if fact == decision.FactStorageClasses {
		return factNames[fact]
	}
	return factNames[fact] + " of namespace " + name
}

// factNames has the facts as reports name them.
var factNames = map[decision.Fact]string{
	decision.FactLimitRanges: "LimitRanges", decision.FactResourceQuotas: "ResourceQuotas", decision.FactAutoscalers: "HorizontalPodAutoscalers",
	decision.FactClaims: "PersistentVolumeClaims", decision.FactStorageClasses: "StorageClasses",
}

// over returns the objects of one kind of facts: those of the log, and those of base.
func (n *namespace) over(fact decision.Fact, base *decision.Facts) decision.Facts {
	facts := *base
	if n != nil {
		for _, name := range slices.Sorted(maps.Keys(n.objects[fact])) {
			facts.Add(n.objects[fact][name].Object)
		}
	}
	return facts
}

// factOf returns the fact that a resource is, and a new object of its type.
func factOf(r resource) (decision.Fact, metav1.Object) {
	switch r {
	case limitRanges:
		return decision.FactLimitRanges, &corev1.LimitRange{}
	case quotas:
		return decision.FactResourceQuotas, &corev1.ResourceQuota{}
	case resource{"", "persistentvolumeclaims"}:
		return decision.FactClaims, &corev1.PersistentVolumeClaim{}
	case resource{"autoscaling", "horizontalpodautoscalers"}:
		// The fields that are read are the same in all versions.
		return decision.FactAutoscalers, &autoscalingv2.HorizontalPodAutoscaler{}
	case resource{"storage.k8s.io", "storageclasses"}:
		return decision.FactStorageClasses, &storagev1.StorageClass{}
	}
	return "", nil
}

// resourceOfFact is the inverse of factOf.
func resourceOfFact(fact decision.Fact) resource {
	switch fact {
	case decision.FactLimitRanges:
		return limitRanges
	case decision.FactResourceQuotas:
		return quotas
	case decision.FactClaims:
		return resource{"", "persistentvolumeclaims"}
	case decision.FactAutoscalers:
		return resource{"autoscaling", "horizontalpodautoscalers"}
	case decision.FactStorageClasses:
		return resource{"storage.k8s.io", "storageclasses"}
	}
	return resource{}
}
