// Package resources says what Kubernetes will make of a Pod's resources, before it
// does: which defaults land, what LimitRanger refuses, what validation rejects. And it
// fits wished requests and limits into the gaps that remain. Of a PersistentVolumeClaim it
// says what LimitRanger refuses. test/oracle holds all of it against Kubernetes' own code.
//
// The prediction is ours because that code is in k8s.io/kubernetes, which is no library, and
// because it computes one outcome: a webhook sees an object before LimitRanger runs again,
// and has to know what every order of the LimitRanges would make of it.
//
// It follows Kubernetes 1.37, in the order of a CREATE: API defaulting of Pods, the
// LimitRanger plugin's defaults, Pod-level defaults (PrepareForCreate), validation, and
// the LimitRanger and ResourceQuota plugins' checks. From 1.34 to 1.36 Pod-level
// defaults are part of API defaulting: a Pod at a webhook already carries them there, so
// only the totals predicted for a template with Pod-level resources may differ.
//
// Three facts carry most of the package:
//
//   - Whether a field is set after defaulting does not depend on the order in which
//     LimitRanges apply; only its value does. A field is a gap in every outcome or in none.
//   - A LimitRange's max brings a default limit, a default limit brings a default
//     request, and so does a min. So at a gap no min and no max of a Container item is in
//     force; what binds there is the counterpart, the ratio, and the Pod items.
//   - Every rule but a quota's scope looks at one resource at a time.
//
// Lists that need no change are shared with what was passed in. Treat all as read-only.
package resources
