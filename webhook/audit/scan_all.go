package audit

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/pipeline"
)

// AllOptions configures ScanAll.
type AllOptions struct {
	// Mapper maps kinds to what the cluster serves. Required.
	Mapper meta.RESTMapper
	// Namespaces restricts the scan to objects in these namespaces. If it is empty, the scan is of the
	// whole cluster, with what is in no namespace.
	Namespaces []string
	// Labels is a label selector; empty selects everything.
	Labels string
	// Each is called with every object that was decided, or could not be. Required.
	Each func(*Scanned)
	// Progress is called before each selection is read, and after the last one. It is optional.
	Progress func(Progress)
}

// Progress is how far a scan has come.
type Progress struct {
	// Kind is the one that is read next. It is zero at the end.
	Kind schema.GroupKind
	// Done of Total selections have been read.
	Done, Total int
	// Objects is the number of objects so far that were decided or could not be.
	Objects int
}

// Unread is a kind that could not be read.
type Unread struct {
	Kind schema.GroupKind
	// Namespace is empty for all namespaces.
	Namespace string
	// NotServed is true if the cluster does not serve the kind.
	NotServed bool
	// Err is why it could not be read. apierrors.IsForbidden reports true for it if the user may not.
	Err error
}

// Totals is what a scan of a cluster has read.
type Totals struct {
	// Objects counts those that were decided or could not be, and Undecided those that could not be.
	Objects, Undecided int
	Unread             []Unread
}

// ScanAll scans every kind that the policies of the Decider's configuration apply to. What cannot be
// read is in the Totals and ends nothing; they are valid, for what was read, even if ctx ends the scan.
func (s *Scanner) ScanAll(ctx context.Context, decider *pipeline.Decider, o AllOptions) (Totals, error) {
	var totals Totals
	type selected struct {
		Selection

		kind schema.GroupKind
	}
	var selections []selected
	for _, target := range Targets(decider.Snapshot()) {
		mapping, err := o.Mapper.RESTMapping(target.Kind)
		if err != nil {
			totals.Unread = append(totals.Unread, Unread{Kind: target.Kind, NotServed: meta.IsNoMatchError(err), Err: err})
			continue
		}
		for _, namespace := range namespacesFor(mapping, o.Namespaces) {
			selections = append(selections, selected{Selection{Mapping: mapping, Namespace: namespace, Labels: o.Labels}, target.Kind})
		}
	}
	report := func(kind schema.GroupKind, done int) {
		if o.Progress != nil {
			o.Progress(Progress{Kind: kind, Done: done, Total: len(selections), Objects: totals.Objects})
		}
	}
	for i, one := range selections {
		report(one.kind, i)
		err := s.Scan(ctx, decider, one.Selection, func(scanned *Scanned) {
			totals.Objects++
			if scanned.Err != nil {
				totals.Undecided++
			}
			o.Each(scanned)
		})
		if ctx.Err() != nil {
			return totals, ctx.Err()
		}
		if err != nil {
			totals.Unread = append(totals.Unread, Unread{Kind: one.kind, Namespace: one.Namespace, NotServed: apierrors.IsNotFound(err), Err: err})
		}
	}
	report(schema.GroupKind{}, len(selections))
	return totals, nil
}

// namespacesFor returns the namespaces to read of a kind. A single "" stands for all, or for
// cluster-scoped objects, of which there are none in a namespace.
func namespacesFor(mapping *meta.RESTMapping, namespaces []string) []string {
	switch {
	case len(namespaces) == 0:
		return []string{""}
	case mapping.Scope.Name() == meta.RESTScopeNameRoot:
		return nil
	}
	return namespaces
}
