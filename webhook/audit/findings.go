package audit

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"
	"unique"

	"crypto/sha256"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/report"
	"taffrail.dev/webhook/request"
)

// uid is the UID of an object in 16 bytes.
type uid [16]byte

// uidOf returns the bytes of a UID. One that is not hexadecimal, as an API server other than
// Kubernetes' own may make, is hashed.
func uidOf(text string) uid {
	var id uid
	if digits := strings.ReplaceAll(text, "-", ""); len(digits) == hex.EncodedLen(len(id)) {
		if _, err := hex.Decode(id[:], []byte(digits)); err == nil {
			return id
		}
	}
	sum := sha256.Sum256([]byte(text))
	return uid(sum[:len(id)])
}

// text is a string that is kept once, however many findings have it.
type text = unique.Handle[string]

// findings is what an audit has found. It keeps no object, and nothing about objects without
// findings. It is safe for concurrent use.
type findings struct {
	mutex sync.Mutex
	// found has the objects with findings by namespace; "" has those in none.
	found map[string]map[uid]*finding
	// counts has all that is in found.
	counts counts
}

// finding is an object with what was found in it.
type finding struct {
	kind      schema.GroupVersionKind
	name, uid string
	owner     text
	exempted  int
	all       []kept
}

// kept is a decision.Finding without what follows from its object.
type kept struct {
	policy, container, path, key, message, remediation, unknown, guardrails text
	// digest is a part of that of the finding, to tell findings apart that differ in a redacted value.
	digest    uint64
	firstSeen int64
	mode      decision.Mode
	severity  decision.Severity
	failed    bool
	wouldDeny bool
}

func newFindings() *findings {
	return &findings{found: map[string]map[uid]*finding{}, counts: counts{}}
}

// set replaces what was found in an object, and reports whether it differs.
func (f *findings) set(id uid, kind schema.GroupVersionKind, object *request.Metadata, owner string, all []decision.Finding, now time.Time) (changed bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	before := f.found[object.Namespace][id]
	if len(all) == 0 {
		return f.remove(id, object.Namespace)
	}
	is := &finding{kind: kind, name: object.Name, uid: object.UID, owner: unique.Make(cut(owner))}
	for i := range all {
		if all[i].Exempted() {
			is.exempted++
			continue
		}
		one := keep(&all[i])
		one.firstSeen = firstSeen(before, &one, now)
		is.all = append(is.all, one)
	}
	if before != nil && before.kind == is.kind && before.owner == is.owner && before.exempted == is.exempted && before.name == is.name && slices.Equal(before.all, is.all) {
		return false
	}
	if f.found[object.Namespace] == nil {
		f.found[strings.Clone(object.Namespace)] = map[uid]*finding{}
	}
	if before != nil {
		f.counts.add(before, -1)
	}
	f.counts.add(is, 1)
	f.found[object.Namespace][id] = is
	return true
}

// firstSeen returns when a finding was first seen, as far as this audit knows.
func firstSeen(before *finding, one *kept, now time.Time) int64 {
	if before != nil {
		for i := range before.all {
			if was := &before.all[i]; was.policy == one.policy && was.container == one.container && was.key == one.key && was.digest == one.digest {
				return was.firstSeen
			}
		}
	}
	return now.Unix()
}

// recall sets back when findings were first seen, where seen returns an earlier time for their result. It returns the
// namespaces of which findings have changed.
func (f *findings) recall(seen func(resultID string) (time.Time, bool)) (changed []string) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for namespace, in := range f.found {
		earlier := false
		for _, object := range in {
			for i := range object.all {
				one := &object.all[i]
				id := report.ResultID(object.uid, &decision.Finding{Policy: one.policy.Value(), Container: one.container.Value(), Key: one.key.Value()})
				if at, known := seen(id); known && at.Unix() < one.firstSeen {
					one.firstSeen, earlier = at.Unix(), true
				}
			}
		}
		if earlier {
			changed = append(changed, namespace)
		}
	}
	return changed
}

// keep returns what is kept of a finding. Whoever writes an object chooses parts of the texts, and must not fill the
// memory with them.
func keep(f *decision.Finding) kept {
	return kept{
		policy: unique.Make(f.Policy), container: unique.Make(report.ShortKey(f.Container)), path: unique.Make(cut(f.Path)), key: unique.Make(report.ShortKey(f.Key)),
		message: unique.Make(cut(f.Message)), remediation: unique.Make(cut(f.Remediation)), unknown: unique.Make(cut(f.Unknown)),
		guardrails: unique.Make(strings.Join(f.Guardrails, ",")),
		digest:     binary.BigEndian.Uint64(f.Digest[:]), mode: f.Mode, severity: f.Severity, failed: f.Failed, wouldDeny: f.WouldDeny,
	}
}

// cut returns a text as reports have it.
func cut(text string) string {
	if len(text) <= report.MaxText {
		return text
	}
	return decision.Line(text, report.MaxText)
}

// forget removes what was found in an object, and reports whether there was anything.
func (f *findings) forget(id uid, namespace string) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.remove(id, namespace)
}

func (f *findings) remove(id uid, namespace string) bool {
	in := f.found[namespace]
	if in[id] == nil {
		return false
	}
	f.counts.add(in[id], -1)
	if delete(in, id); len(in) == 0 {
		delete(f.found, namespace)
	}
	return true
}

// namespaces returns the namespaces in which something was found.
func (f *findings) namespaces() []string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	names := make([]string, 0, len(f.found))
	for name := range f.found {
		names = append(names, name)
	}
	return names
}

// in returns the objects of a namespace in which something was found, sorted, and the number of
// findings that Exemptions exempt.
func (f *findings) in(namespace string) (objects []report.AuditedObject, exempted int) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for _, found := range f.found[namespace] {
		exempted += found.exempted
		if len(found.all) > 0 {
			objects = append(objects, found.audited(namespace))
		}
	}
	slices.SortFunc(objects, func(a, b report.AuditedObject) int {
		return cmp.Or(strings.Compare(a.Kind.String(), b.Kind.String()), strings.Compare(a.Name, b.Name), strings.Compare(a.UID, b.UID))
	})
	return objects, exempted
}

func (f *finding) audited(namespace string) report.AuditedObject {
	object := report.AuditedObject{Kind: f.kind, Namespace: namespace, Name: f.name, UID: f.uid, Owner: f.owner.Value()}
	for i := range f.all {
		k := &f.all[i]
		one := report.AuditedFinding{FirstSeen: time.Unix(k.firstSeen, 0), Finding: decision.Finding{
			Policy: k.policy.Value(), Container: k.container.Value(), Path: k.path.Value(), Key: k.key.Value(), Message: k.message.Value(),
			Remediation: k.remediation.Value(), Unknown: k.unknown.Value(), Guardrails: strings.Split(k.guardrails.Value(), ","),
			Mode: k.mode, Severity: k.severity, Failed: k.failed, WouldDeny: k.wouldDeny,
		}}
		binary.BigEndian.PutUint64(one.Digest[:], k.digest)
		object.Findings = append(object.Findings, one)
	}
	return object
}
