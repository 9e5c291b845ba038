package replay

import (
	"context"
	"encoding/json"
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

// facts has the facts of a moment: those that the log has so far, on top of those of another source.
type facts struct {
	// base is nil if the log is the only source.
	base       pipeline.FactSource
	namespaces map[string]*namespace
	// classes is the namespace of cluster-scoped facts.
	classes *namespace
	// missing has the facts that are not known to the current decision, with the reason.
	missing map[decision.Fact]string
}

// namespace is what the log has about a namespace.
type namespace struct {
	// born is true if the log has its creation, and so everything in it.
	born bool
	// labeled is true if labels are known.
	labeled bool
	labels  map[string]string
	created time.Time
	objects map[decision.Fact]map[string]metav1.Object
	// deleted has the names of deleted objects, and unread the facts of which there are writes without the object.
	deleted map[decision.Fact]map[string]bool
	unread  map[decision.Fact]bool
}

func newFacts(base pipeline.FactSource) *facts {
	return &facts{base: base, namespaces: map[string]*namespace{}, classes: newNamespace(), missing: map[decision.Fact]string{}}
}

func newNamespace() *namespace {
	return &namespace{objects: map[decision.Fact]map[string]metav1.Object{}, deleted: map[decision.Fact]map[string]bool{}, unread: map[decision.Fact]bool{}}
}

func (f *facts) of(name string) *namespace {
	n := f.namespaces[name]
	if n == nil {
		n = newNamespace()
		f.namespaces[name] = n
	}
	return n
}

// reset begins a decision.
func (f *facts) reset() { clear(f.missing) }

// Namespace implements pipeline.FactSource.
func (f *facts) Namespace(ctx context.Context, name string) (decision.Namespace, error) {
	if name == "" {
		return decision.Namespace{Known: true}, nil
	}
	if n := f.namespaces[name]; n != nil && n.labeled {
		return decision.Namespace{Name: name, Labels: n.labels, Known: true, Created: n.created}, nil
	}
	if f.base == nil {
		return decision.Namespace{Name: name, Missing: "is not in the log"}, nil
	}
	n, err := f.base.Namespace(ctx, name)
	if err == nil && !n.Known && n.Missing == "" {
		n.Missing = "is not in the log, nor in the facts"
	}
	return n, err
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
	in := f.find(fact, name)
	switch {
	case f.missing[fact] != "":
		base.SetUnread(fact, f.missing[fact])
	case in != nil && in.unread[fact]:
		base.SetUnread(fact, "the log does not have the content of the "+described(fact, name))
	case in != nil && in.born, name == "":
	case f.base != nil:
		return f.base.Facts(ctx, name, []decision.Fact{fact})
	default:
		base.SetUnread(fact, "the "+described(fact, name)+" are not in the log: use --facts or --live")
	}
	return base, nil
}

// described names the facts of a namespace.
func described(fact decision.Fact, name string) string {
	if fact == decision.FactStorageClasses {
		return "StorageClasses"
	}
	return factNames[fact] + " of namespace " + name
}

// factNames has the facts as reports name them.
var factNames = map[decision.Fact]string{
	decision.FactLimitRanges: "LimitRanges", decision.FactResourceQuotas: "ResourceQuotas", decision.FactAutoscalers: "HorizontalPodAutoscalers",
	decision.FactClaims: "PersistentVolumeClaims",
}

// over returns the objects of one kind of facts, the newer ones of the log in place of those with the same names.
func (n *namespace) over(fact decision.Fact, base *decision.Facts) (facts decision.Facts) {
	for _, object := range base.Of(fact) {
		if n == nil || n.objects[fact][object.GetName()] == nil && !n.deleted[fact][object.GetName()] {
			facts.Add(object)
		}
	}
	if n != nil {
		for _, name := range slices.Sorted(maps.Keys(n.objects[fact])) {
			facts.Add(n.objects[fact][name])
		}
	}
	return facts
}

// factOf returns the fact that a resource is, and a new object of its type.
func factOf(r resource) (decision.Fact, metav1.Object) {
	switch r {
	case resource{"", "limitranges"}:
		return decision.FactLimitRanges, &corev1.LimitRange{}
	case resource{"", "resourcequotas"}:
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

// in returns the namespace that has a fact.
func (f *facts) in(fact decision.Fact, name string) *namespace {
	if fact == decision.FactStorageClasses {
		return f.classes
	}
	return f.of(name)
}

// put stores an object that is a fact. text is nil if the log does not have the object.
func (f *facts) put(key objectKey, text []byte) {
	if key.resource == namespaces {
		f.putNamespace(key.object, text)
		return
	}
	fact, object := factOf(key.resource)
	if object == nil {
		return
	}
	n := f.in(fact, key.namespace)
	if text == nil || json.Unmarshal(text, object) != nil {
		n.unread[fact] = true
		return
	}
	if n.objects[fact] == nil {
		n.objects[fact] = map[string]metav1.Object{}
	}
	object.SetManagedFields(nil)
	n.objects[fact][key.object] = object
	delete(n.deleted[fact], key.object)
}

func (f *facts) remove(key objectKey) {
	if key.resource == namespaces {
		delete(f.namespaces, key.object)
		return
	}
	fact, object := factOf(key.resource)
	if object == nil {
		return
	}
	n := f.in(fact, key.namespace)
	delete(n.objects[fact], key.object)
	if n.deleted[fact] == nil {
		n.deleted[fact] = map[string]bool{}
	}
	n.deleted[fact][key.object] = true
}

// removeAll removes the facts of a resource in a namespace.
func (f *facts) removeAll(r resource, name string) {
	fact, object := factOf(r)
	if object == nil {
		return
	}
	n := f.in(fact, name)
	for object := range n.objects[fact] {
		f.remove(objectKey{r, name, object})
	}
}

func (f *facts) putNamespace(name string, text []byte) {
	n := f.of(name)
	var object metav1.PartialObjectMetadata
	if text == nil || json.Unmarshal(text, &object) != nil {
		// The labels that were known may have changed.
		n.labeled = false
		return
	}
	n.labeled, n.labels, n.created = true, object.Labels, object.CreationTimestamp.Time
}

// bear records that the log has the creation of a namespace.
func (f *facts) bear(name string) { f.of(name).born = true }
