package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// PodReader reads a Pod from the API server, bypassing caches. It is called only for a Binding
// that carries labels or annotations. Implementations must be safe for concurrent use.
type PodReader interface {
	// Pod returns nil if there is no such Pod.
	Pod(ctx context.Context, namespace, name string) (map[string]any, error)
}

// isBinding reports whether a request binds a Pod to a node, through pods/binding or through
// the Binding resource.
func isBinding(r *decision.Request) bool {
	return r.Kind.GroupKind() == schema.GroupKind{Kind: "Binding"} && (r.Subresource == "" || r.Subresource == "binding")
}

var errNoPods = errors.New("the Pod to bind cannot be read")

// decideBinding decides a Binding as an UPDATE of its Pod: the API server adds the Binding's
// labels and annotations to the Pod's.
func (d *Decider) decideBinding(ctx context.Context, r *decision.Request) (*decision.Decision, error) {
	allowed := &decision.Decision{Verdict: decision.VerdictAllow}
	metadata := decision.MapAt(r.Object, "metadata")
	if r.Operation != decision.Create || len(decision.MapAt(metadata, "labels")) == 0 && len(decision.MapAt(metadata, "annotations")) == 0 {
		return allowed, nil
	}
	if d.options.Pods == nil {
		return nil, fmt.Errorf("deciding the Binding of Pod %s: %w", r.Name, errNoPods)
	}
	pod, err := d.options.Pods.Pod(ctx, r.Namespace.Name, r.Name)
	if err != nil {
		return nil, fmt.Errorf("deciding the Binding of Pod %s: %w", r.Name, err)
	}
	if pod == nil {
		return allowed, nil // The API server refuses it.
	}
	updated, err := request.Live(withMetadata(pod, metadata), schema.GroupVersionKind{Version: "v1", Kind: "Pod"})
	if err != nil {
		return nil, fmt.Errorf("deciding the Binding of Pod %s: %w", r.Name, err)
	}
	updated.Origin, updated.Operation, updated.OldObject = r.Origin, decision.Update, pod
	updated.UID, updated.User, updated.DryRun, updated.Namespace = r.UID, r.User, r.DryRun, r.Namespace
	return d.decide(ctx, updated, scope{})
}

// withMetadata returns a copy of an object with the labels and annotations of another added. It
// shares everything else with the original.
func withMetadata(object, from map[string]any) map[string]any {
	made, own := maps.Clone(object), maps.Clone(decision.MapAt(object, "metadata"))
	if own == nil {
		own = map[string]any{}
	}
	for _, field := range []string{"labels", "annotations"} {
		added, _ := from[field].(map[string]any)
		all := map[string]any{}
		had, _ := own[field].(map[string]any)
		maps.Copy(all, had)
		maps.Copy(all, added)
		if len(all) > 0 {
			own[field] = all
		}
	}
	made["metadata"] = own
	return made
}
