package reach

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// Scope is what bindings cover.
type Scope struct {
	// Kinds are the kinds that the bound policies apply to.
	Kinds []schema.GroupKind
	// Injects is true if values are injected into Pods.
	Injects bool
	// Relaxes is true if a change of labels can take namespaces out of the Guardrail.
	Relaxes bool
	// Covers reports whether the bindings apply in a namespace. If it is nil, they apply in all.
	Covers func(decision.Namespace) bool
}

// Gap is a kind of request that the API server does not send, or may not send.
type Gap struct {
	// What lists the resources that are missing, each with its operations.
	What []string
	// Namespaces lists the namespaces that the gap is limited to, sorted. It is empty if the
	// requests are not sent for any.
	Namespaces []string
	Reason     string
	// Uncertain is true if the configuration is not understood well enough to be sure.
	Uncertain bool
}

// Report is the result of a comparison.
type Report struct {
	Gaps []Gap
	// Unserved lists the bound kinds that the cluster does not serve: no such objects exist.
	Unserved []schema.GroupKind
	// FailOpen lists the entries that send some of the covered requests with failurePolicy Ignore.
	FailOpen []string
}

// Cluster describes what the API server sends. It is immutable.
type Cluster struct {
	entries   []Entry
	resources Resources
	own       string
	groups    []group
}

// group is a set of namespaces that are selected by the same entries.
type group struct {
	selected   []bool // by entry
	namespaces []decision.Namespace
}

// NewCluster returns a Cluster. own is the namespace of this installation. Neither it nor the
// namespaces that every cluster starts with count as gaps: a cluster has to be able to recover
// without Taffrail.
func NewCluster(entries []Entry, resources Resources, namespaces []decision.Namespace, own string) *Cluster {
	c := &Cluster{entries: entries, resources: resources, own: own}
	index := map[string]int{}
	key := make([]byte, len(entries))
	for _, namespace := range namespaces {
		if namespace.Name == own || slices.Contains([]string{"kube-system", "kube-public", "kube-node-lease"}, namespace.Name) {
			continue
		}
		for i := range entries {
			key[i] = '0'
			if entries[i].selects(namespace) {
				key[i] = '1'
			}
		}
		at, known := index[string(key)]
		if !known {
			at = len(c.groups)
			index[string(key)] = at
			selected := make([]bool, len(entries))
			for i := range selected {
				selected[i] = key[i] == '1'
			}
			c.groups = append(c.groups, group{selected: selected})
		}
		c.groups[at].namespaces = append(c.groups[at].namespaces, namespace)
	}
	return c
}

// SelectsByLabels reports whether entries for which policies are evaluated select namespaces by
// labels other than the name, that is, by something that can be removed from a namespace.
func (c *Cluster) SelectsByLabels() bool {
	return slices.ContainsFunc(Selectors(c.entries), func(s labels.Selector) bool {
		requirements, _ := s.Requirements()
		return slices.ContainsFunc(requirements, func(r labels.Requirement) bool { return r.Key() != metadataName })
	})
}

// Report compares the scope of bindings with what the API server sends.
func (c *Cluster) Report(b Scope) Report {
	var r Report
	var needs []need
	for _, kind := range b.Kinds {
		if _, served := c.resources[kind]; !served {
			r.Unserved = append(r.Unserved, kind)
			continue
		}
		needs = append(needs, c.resources.needs(kind)...)
	}
	if b.Injects {
		needs = append(needs, c.resources.injecting()...)
	}
	if b.Relaxes {
		needs = append(needs, c.resources.relaxing()...)
	}
	var found gaps
	seen := map[string]bool{}
	open := map[string]bool{}
	for i := range needs {
		n := &needs[i]
		key := fmt.Sprintf("%s %s %s", n, n.operation, n.path)
		if seen[key] {
			continue
		}
		seen[key] = true
		c.findGaps(n, b.Covers, &found, open)
	}
	r.Gaps = found.sorted()
	for name := range open {
		r.FailOpen = append(r.FailOpen, name)
	}
	slices.Sort(r.FailOpen)
	slices.SortFunc(r.Unserved, func(a, b schema.GroupKind) int { return strings.Compare(a.String(), b.String()) })
	r.Unserved = slices.Compact(r.Unserved)
	return r
}

// findGaps adds the gaps of one request to found, and the entries that fail open to open.
func (c *Cluster) findGaps(n *need, covers func(decision.Namespace) bool, found *gaps, open map[string]bool) {
	var candidates []int
	for i := range c.entries {
		e := &c.entries[i]
		if e.misrouted == "" && e.path == n.path && e.Mutating == (n.path == mutatePath) && e.sends(n) {
			candidates = append(candidates, i)
			if e.FailOpen {
				open[e.Name] = true
			}
		}
	}
	if len(candidates) == 0 {
		found.add(n, c.missing(n), nil, false)
		return
	}
	sure := slices.ContainsFunc(candidates, func(i int) bool { return c.doubt(i, n) == "" })
	switch {
	case n.path == relaxPath:
		if !sure {
			found.add(n, c.doubt(candidates[0], n), nil, true)
		}
		if left := c.coveredNamespaces(covers, func(name string) bool { return c.excludedByName(candidates, name) }); len(left) > 0 {
			found.add(n, "a matchCondition of "+strings.Join(c.entryNames(candidates), ", ")+" excludes it", left, false)
		}
		return
	case !n.inNamespaces():
		// Cluster-scoped objects are covered only by a Guardrail that selects every namespace.
		if covers != nil && !covers(decision.Namespace{Known: true}) {
			found.add(n, "only a Guardrail that selects every namespace decides cluster-scoped objects", nil, false)
		}
		if !sure {
			found.add(n, c.doubt(candidates[0], n), nil, true)
		}
		return
	}
	total := 0
	for _, g := range c.groups {
		var covered []string
		for _, namespace := range g.namespaces {
			if covers == nil || covers(namespace) {
				covered = append(covered, namespace.Name)
			}
		}
		if len(covered) == 0 {
			continue
		}
		total++
		var selecting []int
		for _, i := range candidates {
			if g.selected[i] {
				selecting = append(selecting, i)
			}
		}
		switch {
		case len(selecting) == 0:
			found.add(n, leftOut(c.entryNames(candidates)), covered, false)
		case !slices.ContainsFunc(selecting, func(i int) bool { return c.doubt(i, n) == "" }):
			found.add(n, c.doubt(selecting[0], n), covered, true)
		}
	}
	// No namespace is covered yet, but one that is created later may be.
	if total == 0 && !sure {
		found.add(n, c.doubt(candidates[0], n), nil, true)
	}
}

// coveredNamespaces returns the names of the covered namespaces for which also returns true,
// sorted.
func (c *Cluster) coveredNamespaces(covers func(decision.Namespace) bool, also func(name string) bool) []string {
	var all []string
	for _, g := range c.groups {
		for _, namespace := range g.namespaces {
			if (covers == nil || covers(namespace)) && also(namespace.Name) {
				all = append(all, namespace.Name)
			}
		}
	}
	slices.Sort(all)
	return all
}

// excludedByName reports whether every candidate excludes a namespace by its name.
func (c *Cluster) excludedByName(candidates []int, name string) bool {
	return !slices.ContainsFunc(candidates, func(i int) bool {
		return !slices.ContainsFunc(c.entries[i].conditions, func(condition admissionregistrationv1.MatchCondition) bool {
			names, known := namesLeftOut(condition)
			return known && slices.Contains(names, name)
		})
	})
}

// doubt explains why an entry may not send what its rules match. It returns "" if the entry does.
func (c *Cluster) doubt(i int, n *need) string {
	e := &c.entries[i]
	if len(e.doubts) > 0 {
		return "entry " + e.Name + ": " + e.doubts[0]
	}
	if n.path == relaxPath && !e.namespaces.Empty() {
		return "entry " + e.Name + ": its namespaceSelector is matched against the namespace's new labels"
	}
	for _, condition := range e.conditions {
		understood := harmless(condition, n.metadata, c.own)
		if n.path == relaxPath {
			_, understood = namesLeftOut(condition)
			understood = understood || joined(condition.Expression) == labelsChange
		}
		if !understood {
			return "entry " + e.Name + ": matchCondition " + condition.Name + " is not known"
		}
	}
	return ""
}

// missing explains why no entry sends a request.
func (c *Cluster) missing(n *need) string {
	for i := range c.entries {
		e := &c.entries[i]
		if e.Mutating != (n.path == mutatePath) || !e.sends(n) {
			continue
		}
		switch {
		case e.misrouted != "" && (e.path == n.path || e.path == ""):
			return "entry " + e.Name + ": " + e.misrouted
		case e.misrouted == "" && e.path != n.path && n.path != relaxPath && e.path != relaxPath:
			return "entry " + e.Name + ": it calls " + cmp.Or(e.path, "no path") + " instead of " + n.path
		}
	}
	return "no webhook entry names it"
}

func (c *Cluster) entryNames(indexes []int) []string {
	all := make([]string, len(indexes))
	for i, at := range indexes {
		all[i] = c.entries[at].Name
	}
	return all
}

func leftOut(entries []string) string {
	if len(entries) == 1 {
		return "the namespaceSelector of " + entries[0] + " excludes it"
	}
	return "the namespaceSelectors of " + strings.Join(entries, ", ") + " exclude it"
}

// gaps groups the missing requests by reason.
type gaps struct {
	all []*gapGroup
}

type gapGroup struct {
	Gap
	operations map[string][]string
	order      []string
}

func (g *gaps) add(n *need, reason string, namespaces []string, maybe bool) {
	slices.Sort(namespaces)
	at := slices.IndexFunc(g.all, func(e *gapGroup) bool {
		return e.Reason == reason && e.Uncertain == maybe && slices.Equal(e.Namespaces, namespaces)
	})
	if at < 0 {
		at = len(g.all)
		g.all = append(g.all, &gapGroup{Gap: Gap{Namespaces: namespaces, Reason: reason, Uncertain: maybe}, operations: map[string][]string{}})
	}
	e := g.all[at]
	what := n.String()
	if n.path != validatePath {
		what += " at " + n.path
	}
	if e.operations[what] == nil {
		e.order = append(e.order, what)
	}
	e.operations[what] = append(e.operations[what], string(n.operation))
}

func (g *gaps) sorted() []Gap {
	all := make([]Gap, 0, len(g.all))
	for _, e := range g.all {
		for _, what := range e.order {
			e.What = append(e.What, what+" ("+strings.Join(e.operations[what], ", ")+")")
		}
		all = append(all, e.Gap)
	}
	slices.SortStableFunc(all, func(a, b Gap) int {
		if a.Uncertain != b.Uncertain {
			return map[bool]int{false: -1, true: 1}[a.Uncertain]
		}
		return cmp.Compare(strings.Join(a.What, " "), strings.Join(b.What, " "))
	})
	return all
}

// String returns the gap on one line.
func (g *Gap) String() string {
	text := strings.Join(g.What, ", ")
	if g.Uncertain {
		text += " may not be sent"
	} else {
		text += " not sent"
	}
	const most = 5
	switch n := len(g.Namespaces); {
	case n > most:
		text += fmt.Sprintf(" in %s and %d more namespaces", strings.Join(g.Namespaces[:most-1], ", "), n-most+1)
	case n > 0:
		text += " in " + strings.Join(g.Namespaces, ", ")
	}
	return text + ": " + g.Reason
}
