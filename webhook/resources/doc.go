// Package resources predicts what Kubernetes does with a Pod's resources: which defaults it
// sets, what LimitRanger and ResourceQuota refuse, and what validation rejects. It fits
// proposed requests and limits into the fields that remain unset. For a PersistentVolumeClaim
// it predicts what LimitRanger refuses. test/oracle compares all of this with Kubernetes' own
// code.
//
// The prediction is ours because that code is in k8s.io/kubernetes, which is no library, and
// because it computes one outcome: a webhook sees an object before LimitRanger runs again,
// and has to know the result of every order of the LimitRanges.
//
// It follows Kubernetes 1.37, in the order of a CREATE: API defaults of Pods, LimitRanger
// defaults, Pod-level defaults (PrepareForCreate), validation, and the checks of LimitRanger
// and ResourceQuota. From 1.34 to 1.36, Pod-level defaults are part of the API defaults: a
// webhook receives Pods that have them already, so only the totals predicted for a template
// with Pod-level resources may differ.
//
// The package relies on three facts:
//
//   - Whether a field is set after defaulting does not depend on the order in which
//     LimitRanges apply; only its value does. A field is a gap in every outcome or in none.
//   - A LimitRange's max implies a default limit, a default limit implies a default request,
//     and so does a min. So no min or max of a Container item applies at a gap; what applies
//     there is the counterpart, the ratio, and the Pod items.
//   - Every rule except a quota's scope concerns one resource at a time.
//
// Lists that need no change are shared with the arguments. Treat all lists as read-only.
package resources
