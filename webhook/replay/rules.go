package replay

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/replay/auditlog"
)

// aspect is what a write with a subresource means for replay.
type aspect int

const (
	// ignored is a write that changes nothing that matters, such as an exec or a token.
	ignored aspect = iota
	// whole is a write of an object, or of a subresource that is sent to /validate as the object.
	whole
	// metadata is a write that is sent only if it changes labels or annotations.
	metadata
	// binds is a write of a Binding.
	binds
	// scales is a write that changes the number of replicas, which no webhook sees.
	scales
	// evicts is a write that deletes a Pod.
	evicts
)

// rule is a resource that the webhook configurations send, in the version that the API server sends.
type rule struct {
	kind schema.GroupVersionKind
	// status is true if changes of labels and annotations through the subresource status are sent.
	status bool
	// whole has the other subresources that are sent as the object.
	whole []string
}

// rules has what the webhook configurations of the chart send, besides extraKinds, Bindings and the subresource finalize
// of Namespaces. A test holds it to the chart.
var rules = map[resource]rule{
	{"", "pods"}:                    {schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, true, []string{"ephemeralcontainers", "resize"}},
	{"", "replicationcontrollers"}:  {schema.GroupVersionKind{Version: "v1", Kind: "ReplicationController"}, true, nil},
	{"", "services"}:                {schema.GroupVersionKind{Version: "v1", Kind: "Service"}, true, nil},
	{"", "persistentvolumeclaims"}:  {schema.GroupVersionKind{Version: "v1", Kind: "PersistentVolumeClaim"}, true, nil},
	{"", "secrets"}:                 {schema.GroupVersionKind{Version: "v1", Kind: "Secret"}, false, nil},
	{"", "configmaps"}:              {schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, false, nil},
	{"", "namespaces"}:              {schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, true, nil},
	{"apps", "deployments"}:         {schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, true, nil},
	{"apps", "statefulsets"}:        {schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "StatefulSet"}, true, nil},
	{"apps", "daemonsets"}:          {schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "DaemonSet"}, true, nil},
	{"apps", "replicasets"}:         {schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSet"}, true, nil},
	{"apps", "controllerrevisions"}: {schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ControllerRevision"}, false, nil},
	{"batch", "jobs"}:               {schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"}, true, nil},
	{"batch", "cronjobs"}:           {schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "CronJob"}, true, nil},
}

// Sends reports whether the replay takes a write to be sent by the webhook configurations of the chart: as the object,
// or only for its labels and annotations. extraKinds are left out.
func Sends(group, name, subresource string) (sent, metadataOnly bool) {
	e := auditlog.Event{Object: auditlog.ObjectRef{APIGroup: group, Resource: name, Subresource: subresource}}
	if _, found := rules[resource{group, name}]; !found && aspectOf(&e) != binds {
		return false, false
	}
	switch aspectOf(&e) {
	case whole:
		return true, false
	case metadata, binds:
		return true, true
	case ignored, scales, evicts:
	}
	return false, false
}

func aspectOf(e *auditlog.Event) aspect {
	r := resourceOf(&e.Object)
	if r == (resource{"", "bindings"}) {
		return binds
	}
	sent, known := rules[r]
	switch subresource := e.Object.Subresource; {
	case subresource == "":
		return whole
	case subresource == "status":
		if known && !sent.status {
			return ignored
		}
		return metadata
	case subresource == "finalize" && r == namespaces:
		return metadata
	case slices.Contains(sent.whole, subresource):
		return whole
	case subresource == "binding" && r == pods:
		return binds
	case subresource == "eviction" && r == pods:
		return evicts
	case subresource == "scale":
		return scales
	}
	return ignored
}

// resourceOfKind returns the resource of a kind in rules.
func resourceOfKind(kind schema.GroupKind) resource {
	for r, rule := range rules {
		if rule.kind.GroupKind() == kind {
			return r
		}
	}
	return resource{}
}

// Kinds are the kinds that policies cover.
type Kinds struct {
	covered map[schema.GroupKind]bool
	// custom has the custom resources among them. Their names are guesses, which the API server's are in practice.
	custom map[resource]schema.GroupKind
	// groups are those of custom.
	groups map[string]bool
}

// matter reports whether writes of a resource are decided, or matter for the decisions about others.
func (k *Kinds) matter(r resource) bool {
	if _, found := rules[r]; found || k.groups[r.group] {
		return true
	}
	fact, _ := factOf(r)
	return fact != ""
}

// KindsOf returns the kinds that the policies of configurations cover. A configuration may be nil.
func KindsOf(snapshots ...*config.Snapshot) *Kinds {
	k := &Kinds{map[schema.GroupKind]bool{}, map[resource]schema.GroupKind{}, map[string]bool{}}
	for _, snapshot := range snapshots {
		if snapshot == nil {
			continue
		}
		for _, policy := range snapshot.Catalog().Policies() {
			for _, kind := range policy.Kinds {
				k.covered[kind] = true
				if resourceOfKind(kind) == (resource{}) && kind.Group != "" {
					plural, _ := meta.UnsafeGuessKindToResource(kind.WithVersion("v1"))
					k.custom[resource{kind.Group, plural.Resource}], k.groups[kind.Group] = kind, true
				}
			}
		}
	}
	return k
}

// Needs reports whether the writes of an object are needed in full to replay a log.
func (k *Kinds) Needs(ref *auditlog.ObjectRef) bool {
	return k.matter(resourceOf(ref)) || resourceOf(ref) == resource{"", "bindings"}
}

// NeedsFact reports whether the writes of an object are needed in full for a History.
func NeedsFact(ref *auditlog.ObjectRef) bool {
	fact, _ := factOf(resourceOf(ref))
	return fact != "" || resourceOf(ref) == namespaces
}

// covers reports whether a policy covers a kind. Revisions and Bindings are decided as the objects that they concern.
func (k *Kinds) covers(kind schema.GroupVersionKind) bool {
	return k.covered[kind.GroupKind()] || kind == binding || kind == rules[controllerRevisions].kind
}

// of returns the kind of the object that a write is for, or zero if the webhook configurations do not send it. The
// version is empty if the log does not have the object.
func (k *Kinds) of(e *auditlog.Event, heads ...*head) schema.GroupVersionKind {
	if aspectOf(e) == binds {
		return binding
	}
	if rule, found := rules[resourceOf(&e.Object)]; found {
		return rule.kind
	}
	for _, h := range heads {
		kind := schema.FromAPIVersionAndKind(h.apiVersion, h.kind)
		if kind.Group == e.Object.APIGroup && kind.Group != "" && k.covered[kind.GroupKind()] {
			return kind
		}
	}
	if kind, found := k.custom[resourceOf(&e.Object)]; found {
		return kind.WithVersion(e.Object.APIVersion)
	}
	return schema.GroupVersionKind{}
}
