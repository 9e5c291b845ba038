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
	if o.Err != nil || o.Decision == nil || o.Path != admission.ValidatePath || o.Request.DryRun || len(o.Decision.Findings) == 0 {
		return
	}
	reason := Warned
	if o.Verdict == decision.VerdictDeny {
		reason = Denied
	}
	r := o.Request
	namespace := r.Namespace.Name
	if r.IsNamespace() {
		namespace = "" // it is in none
	}
	uid := decision.StringAt(r.Object, "metadata", "uid")
	if reason == Denied && r.Operation == decision.Create {
		uid = "" // each attempt has another one, of an object that does not come into being
	}
	b.Writer.Add(NewNotice(reason, r.Kind, namespace, r.DisplayName(), uid, r.Owner(b.OwnerLabels, &r.Namespace), o.Decision.Findings))
}
