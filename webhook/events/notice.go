package events

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"taffrail.dev/webhook/decision"
)

// Reason is the reason of an Event, in the form that Kubernetes recommends.
type Reason string

// The reasons. Violated is for what an audit finds, and Violations for several objects of a namespace.
const (
	Denied     Reason = "PolicyDenied"
	Warned     Reason = "PolicyWarning"
	Violated   Reason = "PolicyViolation"
	Violations Reason = "PolicyViolations"
)

// maxNote is the API server's limit on the note of an Event, in bytes.
const maxNote = 1024

// Notice is what happened to one object.
type Notice struct {
	Reason Reason
	// Object is the object that the Event is about. Its name may be empty only if the API server has yet to generate it.
	Object corev1.ObjectReference
	// Owner is who owns the object, or "".
	Owner    string
	Findings []decision.Finding
}

// NewNotice returns a notice about an object, with those of its findings that the reason is about: denials if it was
// denied, warnings if it was warned of, and both if it was found.
func NewNotice(reason Reason, kind schema.GroupVersionKind, namespace, name, uid, owner string, findings []decision.Finding) Notice {
	apiVersion, k := kind.ToAPIVersionAndKind()
	n := Notice{Reason: reason, Object: referenceTo(apiVersion, k, namespace, name, uid), Owner: owner}
	for i := range findings {
		if f := &findings[i]; f.Denies() && reason != Warned || f.Warns() && reason != Denied {
			n.Findings = append(n.Findings, *f)
		}
	}
	return n
}

// name returns the name of the Event about a notice. It is the same for the same findings in the same object, so that
// replicas do not repeat each other, and the audit does not repeat what admission has warned of. What is denied is not in
// the cluster.
func (n *Notice) name() string {
	hash := sha256.New()
	write := func(texts ...string) {
		for _, text := range texts {
			_, _ = fmt.Fprintf(hash, "%d:%s,", len(text), text) // a hash never fails
		}
	}
	o := &n.Object
	write(strconv.FormatBool(n.Reason == Denied), o.APIVersion, o.Kind, o.Namespace, o.Name, string(o.UID))
	for i := range n.Findings {
		f := &n.Findings[i]
		write(f.Policy, f.Container, f.Key)
		_, _ = hash.Write(f.Digest[:])
	}
	return "taffrail-" + hex.EncodeToString(hash.Sum(nil)[:10])
}

// note returns what the Event about a notice says.
func (n *Notice) note() string {
	start := map[Reason]string{Denied: "Denied: ", Warned: "Admitted with warnings: ", Violated: "Violates policies: "}[n.Reason]
	var b strings.Builder
	b.WriteString(start)
	for i := range n.Findings {
		f := &n.Findings[i]
		if i > 0 {
			b.WriteString(" ")
		}
		b.WriteString(strings.TrimSuffix(f.Headline(), ".") + ".")
		if f.Remediation != "" {
			b.WriteString(" Fix: " + strings.TrimSuffix(f.Remediation, ".") + ".")
		}
	}
	if n.Owner != "" {
		b.WriteString(" Owner: " + n.Owner + ".")
	}
	return bounded(b.String())
}

// summary counts objects of a namespace that have no Event of their own.
type summary struct {
	objects int
	// policies has how many of them violate each policy.
	policies map[string]int
}

func (s *summary) add(n *Notice) {
	s.objects++
	if s.policies == nil {
		s.policies = map[string]int{}
	}
	var counted []string
	for i := range n.Findings {
		if policy := n.Findings[i].Policy; !slices.Contains(counted, policy) {
			counted = append(counted, policy)
			s.policies[policy]++
		}
	}
}

// note returns what the Event about a summary says, with the most frequent policy first.
func (s *summary) note(namespace string) string {
	names := slices.SortedFunc(maps.Keys(s.policies), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.policies[b], s.policies[a]), strings.Compare(a, b))
	})
	var b strings.Builder
	_, _ = io.WriteString(&b, decision.Count(s.objects, "more object violates", "more objects violate")+" policies:")
	for i, name := range names {
		if i > 0 {
			b.WriteString(",")
		}
		_, _ = fmt.Fprintf(&b, " %s %d", name, s.policies[name])
	}
	b.WriteString(". To list them: taffrail audit ")
	if namespace == "" {
		b.WriteString("-A")
	} else {
		b.WriteString("-n " + namespace)
	}
	return bounded(b.String())
}

// bounded returns text as one line that the API server accepts as a note.
func bounded(text string) string {
	const more = "…"
	line := decision.Line(text, maxNote)
	if len(line) <= maxNote {
		return line
	}
	end := maxNote - len(more)
	for !utf8.RuneStart(line[end]) {
		end--
	}
	return line[:end] + more
}

// referenceTo returns a reference to an object, with copies of the texts.
func referenceTo(apiVersion, kind, namespace, name, uid string) corev1.ObjectReference {
	return corev1.ObjectReference{
		APIVersion: strings.Clone(apiVersion), Kind: strings.Clone(kind), Namespace: strings.Clone(namespace), Name: strings.Clone(name),
		UID: types.UID(strings.Clone(uid)),
	}
}
