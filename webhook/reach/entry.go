package reach

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"taffrail.dev/webhook/decision"
)

// The paths that webhook entries call.
const (
	mutatePath   = "/mutate"
	validatePath = "/validate"
	relaxPath    = "/relax"
)

// Installation identifies the clientConfigs that call this installation.
type Installation struct {
	// Namespace and Service name the Service that the API server calls.
	Namespace, Service string
	// URL is the prefix of the addresses that reach this installation without a Service, as in
	// https://10.0.0.1:9443. It is empty if there are none.
	URL string
}

// Entry is one webhook of a webhook configuration.
type Entry struct {
	Name     string
	Mutating bool
	// FailOpen is true if the API server admits requests when the call fails.
	FailOpen bool

	path string
	// misrouted explains why calls of the entry do not reach this installation. It is empty if they
	// do.
	misrouted  string
	rules      []admissionregistrationv1.RuleWithOperations
	exact      bool
	namespaces labels.Selector
	// doubts explain why objects that the rules match may still not be sent.
	doubts     []string
	conditions []admissionregistrationv1.MatchCondition
}

// Entries returns the entries of the two webhook configurations of this installation. Either may
// be nil if it does not exist.
func Entries(mutating *admissionregistrationv1.MutatingWebhookConfiguration, validating *admissionregistrationv1.ValidatingWebhookConfiguration, here Installation) []Entry {
	var all []Entry
	if mutating != nil {
		for i := range mutating.Webhooks {
			w := &mutating.Webhooks[i]
			e := here.entry(w.Name, &w.ClientConfig, w.Rules, w.MatchPolicy, w.NamespaceSelector, w.ObjectSelector, w.MatchConditions)
			e.Mutating, e.FailOpen = true, failsOpen(w.FailurePolicy)
			all = append(all, e)
		}
	}
	if validating != nil {
		for i := range validating.Webhooks {
			w := &validating.Webhooks[i]
			e := here.entry(w.Name, &w.ClientConfig, w.Rules, w.MatchPolicy, w.NamespaceSelector, w.ObjectSelector, w.MatchConditions)
			e.FailOpen = failsOpen(w.FailurePolicy)
			all = append(all, e)
		}
	}
	return all
}

func failsOpen(policy *admissionregistrationv1.FailurePolicyType) bool {
	return policy != nil && *policy == admissionregistrationv1.Ignore
}

func (h Installation) entry(
	name string, c *admissionregistrationv1.WebhookClientConfig, rules []admissionregistrationv1.RuleWithOperations,
	match *admissionregistrationv1.MatchPolicyType, namespaces, objects *metav1.LabelSelector, conditions []admissionregistrationv1.MatchCondition,
) Entry {
	e := Entry{Name: name, rules: rules, conditions: conditions, exact: match != nil && *match == admissionregistrationv1.Exact}
	e.path, e.misrouted = h.route(c)
	if selector, err := asSelector(namespaces); err == nil {
		e.namespaces = selector
	} else {
		e.namespaces, e.misrouted = labels.Nothing(), cmp.Or(e.misrouted, "its namespaceSelector cannot be read")
	}
	if selector, err := asSelector(objects); err != nil || !selector.Empty() {
		e.doubts = append(e.doubts, "its objectSelector excludes objects by label")
	}
	return e
}

// asSelector converts a selector as the API server does: nil selects everything in a webhook
// configuration, although it selects nothing elsewhere.
func asSelector(s *metav1.LabelSelector) (labels.Selector, error) {
	if s == nil {
		return labels.Everything(), nil
	}
	return metav1.LabelSelectorAsSelector(s)
}

// route returns the path that a clientConfig calls, and why the call does not reach this
// installation.
func (h Installation) route(c *admissionregistrationv1.WebhookClientConfig) (path, astray string) {
	switch {
	case c.Service != nil:
		if c.Service.Path != nil {
			path = *c.Service.Path
		}
		switch {
		case c.Service.Namespace != h.Namespace || c.Service.Name != h.Service:
			return path, "it calls Service " + c.Service.Namespace + "/" + c.Service.Name
		case len(c.CABundle) == 0:
			return path, "it has no caBundle, so the API server cannot verify Taffrail's certificate"
		}
		return path, ""
	case c.URL != nil:
		parsed, err := url.Parse(*c.URL)
		if err != nil {
			return "", "its URL cannot be read"
		}
		path = parsed.Path
		parsed.Path, parsed.RawPath = "", ""
		if h.URL == "" || parsed.String() != strings.TrimSuffix(h.URL, "/") {
			return path, "it calls another URL"
		}
		return path, ""
	}
	return "", "it calls nothing"
}

// sends reports whether the rules of the entry match a request.
func (e *Entry) sends(n *need) bool {
	return slices.ContainsFunc(e.rules, func(r admissionregistrationv1.RuleWithOperations) bool {
		return names(r.Operations, n.operation) && names(r.APIGroups, n.resource.Group) && e.namesVersion(r.APIVersions, n.resource.Versions) &&
			slices.ContainsFunc(r.Resources, n.namedBy) && n.inScope(r.Scope)
	})
}

func names[T ~string](all []T, wanted T) bool {
	return slices.Contains(all, wanted) || slices.Contains(all, "*")
}

// namesVersion reports whether a rule matches requests in every served version. With matchPolicy
// Equivalent the API server converts them to a version that the rule names.
func (e *Entry) namesVersion(rule, served []string) bool {
	if slices.Contains(rule, "*") {
		return true
	}
	missing := func(version string) bool { return !slices.Contains(rule, version) }
	if e.exact {
		return len(served) > 0 && !slices.ContainsFunc(served, missing)
	}
	return slices.ContainsFunc(served, func(version string) bool { return !missing(version) })
}

// selects reports whether the namespaceSelector of the entry matches a namespace.
func (e *Entry) selects(namespace decision.Namespace) bool {
	return e.namespaces.Matches(withName(namespace))
}

// decides reports whether Taffrail evaluates policies for the requests of the entry.
func (e *Entry) decides() bool {
	return e.misrouted == "" && (e.Mutating && e.path == mutatePath || !e.Mutating && e.path == validatePath)
}

// Selectors returns the distinct namespaceSelectors of the entries for which policies are
// evaluated. A namespace that stops matching one of them is no longer covered by that entry.
func Selectors(entries []Entry) []labels.Selector {
	var all []labels.Selector
	seen := map[string]bool{}
	for i := range entries {
		if e := &entries[i]; e.decides() && !e.namespaces.Empty() && !seen[e.namespaces.String()] {
			seen[e.namespaces.String()] = true
			all = append(all, e.namespaces)
		}
	}
	return all
}

// withName returns the labels of a namespace, including the one that the API server adds.
func withName(namespace decision.Namespace) labels.Set {
	all := make(labels.Set, len(namespace.Labels)+1)
	maps.Copy(all, namespace.Labels)
	all[metadataName] = namespace.Name
	return all
}

const metadataName = "kubernetes.io/metadata.name"
