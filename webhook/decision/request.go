package decision

import (
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Operation is an admission operation, in the API server's spelling.
type Operation string

// The operations that Taffrail decides. DELETE and CONNECT are never matched.
const (
	Create Operation = "CREATE"
	Update Operation = "UPDATE"
)

// Origin says where a Request came from. Policies see it as input.origin.
type Origin string

const (
	// OriginMutating is an AdmissionReview at /mutate: Pods may still be patched.
	OriginMutating Origin = "mutating"
	// OriginValidating is an AdmissionReview at /validate: nothing changes the object any more.
	OriginValidating Origin = "validating"
	// OriginManifest is a file: the object will be created, and mutated, later.
	OriginManifest Origin = "manifest"
	// OriginLive is an object read from a cluster.
	OriginLive Origin = "live"
)

// User is who makes a request. The zero User is that of a manifest: nobody yet.
type User struct {
	Name string
	// UID and Extra are for asking the API server what the user may do. Policies see
	// neither.
	UID    string
	Groups []string
	Extra  map[string][]string
}

// Namespace is what is known of an object's namespace.
type Namespace struct {
	// Name is empty for a cluster-scoped object.
	Name   string
	Labels map[string]string
	// Known is false where nobody could say what labels the namespace carries,
	// as for a manifest whose Namespace is not part of the input.
	Known bool
	// Created is zero if it is not known.
	Created time.Time `json:"-"`
}

// Fact is a sort of object that policies may rest on beside the one that is decided, by
// the name that METADATA has for it.
type Fact string

// The facts. All but the last are those of the object's namespace.
const (
	FactLimitRanges    Fact = "limitRanges"
	FactResourceQuotas Fact = "resourceQuotas"
	FactAutoscalers    Fact = "horizontalPodAutoscalers"
	FactClaims         Fact = "persistentVolumeClaims"
	FactStorageClasses Fact = "storageClasses"
)

// AllFacts are the facts that there are.
func AllFacts() []Fact {
	return []Fact{FactLimitRanges, FactResourceQuotas, FactAutoscalers, FactClaims, FactStorageClasses}
}

// Facts is what a decision needs to know beside the object itself: of each sort that was
// asked for, all there are. All of it is read-only.
type Facts struct {
	LimitRanges            []*corev1.LimitRange
	ResourceQuotas         []*corev1.ResourceQuota
	Autoscalers            []*autoscalingv2.HorizontalPodAutoscaler
	PersistentVolumeClaims []*corev1.PersistentVolumeClaim
	StorageClasses         []*storagev1.StorageClass
	// Fresh is true if they were read past every cache, for this very request.
	Fresh bool
}

// Request is one object to be decided, normalized: API defaults applied, Secrets
// with stringData merged, the Pod of a workload found. It is read-only once made.
type Request struct {
	Origin    Origin
	UID       string // of the admission request; empty elsewhere
	Operation Operation
	Kind      schema.GroupVersionKind
	// Subresource is empty, "ephemeralcontainers" or "resize", or one by way of which labels
	// and annotations are written: "status" or "finalize".
	Subresource string
	// Name is empty while the API server has yet to make one from GenerateName.
	Name         string
	GenerateName string
	Namespace    Namespace
	User         User
	DryRun       bool

	// Object is the object as JSON with int64 or float64 numbers, API defaults applied.
	Object map[string]any
	// Original is the object as it came, before defaults: what a JSON Patch applies to.
	// For an admission request it is the same map as Object.
	Original map[string]any
	// OldObject is the stored object of an UPDATE, nil otherwise.
	OldObject map[string]any

	// Ambiguous and OldAmbiguous say what in the object, and in its old object, can be read
	// in more than one way, so that a policy and whoever uses the object may not see the
	// same. They are empty where nothing can.
	Ambiguous, OldAmbiguous string

	// LastApplied and OldLastApplied are what kubectl's annotation on a Secret and on its
	// old object carries; nil where there is none, and for every other kind.
	LastApplied, OldLastApplied *LastApplied
	// HelmRelease is true for a Secret that holds a release of Helm, packed as Helm packs it.
	HelmRelease bool

	// Workload is nil where Kind carries no Pods.
	Workload *Workload
	// Claims of storage that the object makes or uses.
	Claims []Claim
	// Schedule is nil but for a CronJob.
	Schedule *Schedule
	// Revision is what a ControllerRevision is decided as: a DaemonSet with its template. It
	// is nil for every other kind, and where there is nothing to decide.
	Revision *Request
	Facts    Facts
}

// LastApplied is kubectl's copy of the manifest of a Secret.
type LastApplied struct {
	// Readable is false where the annotation is not a JSON object. The rest is then empty.
	Readable bool
	// Data and StringData hold what is no string as its text.
	Data, StringData map[string]string
}

// DisplayName is the name, or the generateName with an asterisk for what is to come.
func (r *Request) DisplayName() string {
	if r.Name == "" && r.GenerateName != "" {
		return r.GenerateName + "*"
	}
	return r.Name
}
