package live

import (
	"context"
	"fmt"
	"slices"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
)

// FileFacts has the facts in files: of exports, and of whatever else contains Namespaces,
// LimitRanges and other kinds that are facts.
type FileFacts struct {
	facts   *manifest.Facts
	exports []*config.Export
	unread  unreadSet
}

// LoadFacts reads facts from files and folders. Objects of other kinds are skipped.
func LoadFacts(paths []string) (*FileFacts, []error) {
	f := &FileFacts{}
	var items []manifest.Item
	var errs []error
	for item := range manifest.Open(paths, nil, manifest.Options{}).Items() {
		switch {
		case item.Skipped():
		case item.Err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", item.Source, item.Err))
		case config.IsExport(item.Object):
			export, bad := config.DecodeExport(item.Object, item.Source.File)
			if export != nil {
				f.exports = append(f.exports, export)
			}
			errs = append(errs, bad...)
		default:
			if err := manifest.FactError(item.Object); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", item.Source, err))
			}
			items = append(items, item)
		}
	}
	f.facts = manifest.FactsOf(slices.Values(items), "default")
	return f, errs
}

// Exports returns the first documents of those files that are exports.
func (f *FileFacts) Exports() []*config.Export { return f.exports }

// Unread returns an error for each resource that was needed and that an export does not contain, by
// resource and namespace.
func (f *FileFacts) Unread() []*UnreadError { return f.unread.sorted() }

// Namespace returns the labels of a namespace, which are unknown if it is in no file.
func (f *FileFacts) Namespace(ctx context.Context, name string) (decision.Namespace, error) {
	namespace, err := f.facts.Namespace(ctx, name)
	if err != nil || namespace.Known {
		return namespace, err
	}
	for _, export := range f.exports {
		namespace.Missing = "does not exist in the cluster of " + export.Source
		if !includes(export, name) || lacks(export, namespaceKind.resource, name) != nil {
			namespace.Missing = "is not in " + export.Source
		}
	}
	return namespace, nil
}

// Facts returns the wanted facts about a namespace, which must not be modified. Those that an export
// does not contain are in its Unread.
func (f *FileFacts) Facts(ctx context.Context, namespace string, wanted []decision.Fact) (decision.Facts, error) {
	all, err := f.facts.Facts(ctx, namespace, wanted)
	if err != nil {
		return decision.Facts{}, err
	}
	for _, fact := range wanted {
		kind, known := kindOf(fact)
		if !known {
			return decision.Facts{}, fmt.Errorf("there is no fact %q", fact)
		}
		for _, export := range f.exports {
			if missing := kind.unread(export, namespace); missing != nil {
				f.unread.add(missing)
				all.SetUnread(fact, missing.Error())
			}
		}
	}
	return all, nil
}

// unread returns why an export does not contain the facts of the kind in a namespace, or nil.
func (k factKind) unread(export *config.Export, namespace string) *UnreadError {
	if missing := lacks(export, k.resource, namespace); missing != nil {
		return &UnreadError{Unread: *missing, Source: export.Source}
	}
	if k.namespaced() && !includes(export, namespace) {
		reason := "it was exported for other namespaces only"
		return &UnreadError{Unread: config.Unread{Resource: k.resource, Namespace: namespace, Reason: reason}, Source: export.Source}
	}
	return nil
}

// includes reports whether the facts of a namespace are in an export.
func includes(export *config.Export, namespace string) bool {
	return len(export.Spec.Namespaces) == 0 || slices.Contains(export.Spec.Namespaces, namespace)
}

// lacks returns what an export does not contain of a resource in a namespace, or nil.
func lacks(export *config.Export, resource, namespace string) *config.Unread {
	at := slices.IndexFunc(export.Spec.Unread, func(u config.Unread) bool {
		return u.Resource == resource && (u.Namespace == "" || u.Namespace == namespace)
	})
	if at < 0 {
		return nil
	}
	return &export.Spec.Unread[at]
}

// UnreadConfiguration returns an error for each kind of configuration that an export does not
// contain. Verdicts may be different with it.
func UnreadConfiguration(exports []*config.Export) (errs []error) {
	for _, export := range exports {
		for _, resource := range []string{"exemptions", "policies"} {
			if missing := lacks(export, resource, ""); missing != nil {
				errs = append(errs, &UnreadError{Unread: *missing, Source: export.Source})
			}
		}
	}
	return errs
}
