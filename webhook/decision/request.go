package decision

import (
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Operation is an admission operation, spelled as the API server does.
type Operation string

// The operations that Taffrail decides. The webhooks never match DELETE and CONNECT.
const (
	Create Operation = "CREATE"
	Update Operation = "UPDATE"
)

// Origin states where a Request comes from. Policies see it as input.origin.
type Origin string

const (
	// OriginMutating is an AdmissionReview at /mutate. Pods may still be patched.
	OriginMutating Origin = "mutating"
	// OriginValidating is an AdmissionReview at /validate. The object no longer changes.
	OriginValidating Origin = "validating"
	// OriginManifest is a file. The object will be created, and mutated, later.
	OriginManifest Origin = "manifest"
	// OriginLive is an object read from a cluster.
	OriginLive Origin = "live"
)

// User is the user who sends a request. It is zero for a manifest.
type User struct {
	Name string
	// UID and Extra are needed for access reviews. They are not part of a policy's input.
	UID    string
	Groups []string
	Extra  map[string][]string
}

// Namespace describes an object's namespace.
type Namespace struct {
	// Name is empty for a cluster-scoped object.
	Name   string
	Labels map[string]string
	// Annotations has those that name the owner of the namespace, as far as they are read. No policy reads them.
	Annotations map[string]string `json:"-"`
	// Known is false if the namespace's labels could not be determined, as for a manifest whose
	// Namespace is not in the input.
	Known bool
	// Missing is why Known is false, as in "does not exist in the cluster". If it is empty, the
	// Namespace is not in the input.
	Missing string `json:"-"`
	// Created is zero if it is not known.
	Created time.Time `json:"-"`
}

// Fact is a kind of object that policies read in addition to the one that is decided, named as
// in METADATA.
type Fact string

// The facts. StorageClasses are cluster-scoped; all others are from the object's namespace.
const (
	FactLimitRanges    Fact = "limitRanges"
	FactResourceQuotas Fact = "resourceQuotas"
	FactAutoscalers    Fact = "horizontalPodAutoscalers"
	FactClaims         Fact = "persistentVolumeClaims"
	FactStorageClasses Fact = "storageClasses"
)

// AllFacts returns all facts.
func AllFacts() []Fact {
	return []Fact{FactLimitRanges, FactResourceQuotas, FactAutoscalers, FactClaims, FactStorageClasses}
}

// Request is one object to decide, normalized: with API defaults, a Secret's stringData merged,
// and the Pod of a workload extracted. It must not be modified once it is complete.
type Request struct {
	Origin    Origin
	UID       string // of the admission request; otherwise empty
	Operation Operation
	Kind      schema.GroupVersionKind
	// Subresource is "", "ephemeralcontainers" or "resize", or a subresource through which
	// labels and annotations can be written: "status" or "finalize".
	Subresource string
	// Name is empty until the API server generates one from GenerateName.
	Name         string
	GenerateName string
	Namespace    Namespace
	User         User
	DryRun       bool

	// Object is the object as JSON, with int64 or float64 numbers and API defaults.
	Object map[string]any
	// Original is the object without defaults, which a JSON Patch applies to. For an admission
	// request it is the same map as Object.
	Original map[string]any
	// OldObject is the stored object of an UPDATE, or nil.
	OldObject map[string]any

	// Ambiguous and OldAmbiguous describe what in the object and the old object can be read in
	// more than one way, so that a policy and the consumer of the object may read it
	// differently. They are empty if the objects are unambiguous.
	Ambiguous, OldAmbiguous string

	// LastApplied and OldLastApplied are the content of kubectl's annotation on a Secret and
	// its old object. They are nil if there is none, and for all other kinds.
	LastApplied, OldLastApplied *LastApplied
	// HelmRelease is true for a Secret that contains a Helm release in Helm's encoding.
	HelmRelease bool

	// BodyBytes is the length of the AdmissionReview that the texts of the objects are parts of: whoever
	// keeps one of them keeps all of it. It is 0 for a manifest.
	BodyBytes int64

	// Workload is nil if objects of the kind have no Pods.
	Workload *Workload
	// Claims has the PersistentVolumeClaims that the object creates or uses.
	Claims []Claim
	// Schedule is set for a CronJob only.
	Schedule *Schedule
	// Revision is the request that a ControllerRevision is decided as: a DaemonSet with its
	// template. It is nil for all other kinds, and if there is nothing to decide.
	Revision *Request
	Facts    Facts
}

// LastApplied is kubectl's copy of the manifest of a Secret.
type LastApplied struct {
	// Readable is false if the annotation is not a JSON object. The other fields are then
	// empty.
	Readable bool
	// Data and StringData contain values that are not strings in their JSON form.
	Data, StringData map[string]string
}

// IsNamespace reports whether the object is a Namespace.
func (r *Request) IsNamespace() bool {
	return r.Kind.Group == "" && r.Kind.Kind == "Namespace"
}

// DisplayName returns the name, or the generateName followed by an asterisk.
func (r *Request) DisplayName() string {
	if r.Name == "" && r.GenerateName != "" {
		return r.GenerateName + "*"
	}
	return r.Name
}
