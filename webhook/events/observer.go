package events

import (
	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/decision"
)

// Observer makes Events about what admission denies and warns of. It implements admission.Observer.
type Observer struct {
	// Writer writes the Events.
	Writer *Writer
	// OwnerLabels are labels or annotations of an object whose value names its owner.
	OwnerLabels []string
}

// Observe implements admission.Observer. It ignores dry runs, which neither create nor change anything.
func (b *Observer) Observe(o *admission.Observation) {
	if o.Err != nil || o.Decision == nil || o.Path != admission.ValidatePath || o.Request.DryRun {
		return
	}
	n := Notice{Reason: Warned}
	concerns := (*decision.Finding).Warns
	if o.Verdict == decision.VerdictDeny {
		n.Reason, concerns = Denied, (*decision.Finding).Denies
	}
	for i := range o.Decision.Findings {
		if f := &o.Decision.Findings[i]; concerns(f) {
			n.Findings = append(n.Findings, *f)
		}
	}
	if len(n.Findings) == 0 {
		return
	}
	r := o.Request
	apiVersion, kind := r.Kind.ToAPIVersionAndKind()
	namespace := r.Namespace.Name
	if r.IsNamespace() {
		namespace = "" // it is in none
	}
	uid := decision.StringAt(r.Object, "metadata", "uid")
	if n.Reason == Denied && r.Operation == decision.Create {
		uid = "" // each attempt has another one, of an object that does not come into being
	}
	n.Object = referenceTo(apiVersion, kind, namespace, r.DisplayName(), uid)
	n.Owner = r.Owner(b.OwnerLabels, r.Namespace.Labels)
	b.Writer.Add(n)
}
