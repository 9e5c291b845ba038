package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// PodReader reads a Pod past every cache. It is asked only about a Binding that carries
// labels or annotations. Implementations are safe for concurrent use.
type PodReader interface {
	// Pod returns nil if there is no such Pod.
	Pod(ctx context.Context, namespace, name string) (map[string]any, error)
}

// carriesMetadata reports whether the labels and annotations of an object can be written by
// way of a subresource whose purpose is another: the API server takes them together with
// what the subresource is for.
func carriesMetadata(r *decision.Request) bool {
	return r.Subresource == "status" || r.Subresource == "finalize"
}

// metadataChanged reports whether a request changes labels or annotations. What could not
// be read may have changed.
func metadataChanged(r *decision.Request) bool {
	if r.Object == nil || r.OldObject == nil {
		return true
	}
	for _, field := range []string{"labels", "annotations"} {
		if !sameStrings(metadata(r.Object)[field], metadata(r.OldObject)[field]) {
			return true
		}
	}
	return false
}

// sameStrings takes what is missing for what is empty.
func sameStrings(a, b any) bool {
	one, _ := a.(map[string]any)
	other, _ := b.(map[string]any)
	return len(one) == 0 && len(other) == 0 || reflect.DeepEqual(one, other)
}

// isBinding reports whether a request assigns a Pod to a node, in either of the two ways.
func isBinding(r *decision.Request) bool {
	return r.Kind.GroupKind() == schema.GroupKind{Kind: "Binding"} && (r.Subresource == "" || r.Subresource == "binding")
}

var errNoPods = errors.New("nobody can read the Pod that it is about")

// decideBinding decides a Binding as the UPDATE of its Pod that it brings about: the API
// server adds the Binding's labels and annotations to those of the Pod.
func (p *Decider) decideBinding(ctx context.Context, r *decision.Request) (*decision.Decision, error) {
	allowed := &decision.Decision{Verdict: decision.VerdictAllow}
	if r.Operation != decision.Create || sameStrings(metadata(r.Object)["labels"], nil) && sameStrings(metadata(r.Object)["annotations"], nil) {
		return allowed, nil
	}
	if p.options.Pods == nil {
		return nil, fmt.Errorf("deciding the Binding of Pod %s: %w", r.Name, errNoPods)
	}
	pod, err := p.options.Pods.Pod(ctx, r.Namespace.Name, r.Name)
	if err != nil {
		return nil, fmt.Errorf("deciding the Binding of Pod %s: %w", r.Name, err)
	}
	if pod == nil {
		return allowed, nil // The API server refuses it.
	}
	bound, err := request.Live(withMetadata(pod, metadata(r.Object)), schema.GroupVersionKind{Version: "v1", Kind: "Pod"})
	if err != nil {
		return nil, fmt.Errorf("deciding the Binding of Pod %s: %w", r.Name, err)
	}
	bound.Origin, bound.Operation, bound.OldObject = r.Origin, decision.Update, pod
	bound.UID, bound.User, bound.DryRun, bound.Namespace = r.UID, r.User, r.DryRun, r.Namespace
	return p.decide(ctx, bound, scope{})
}

// withMetadata returns an object with the labels and annotations of another added to its
// own. It shares the rest with the original.
func withMetadata(object, from map[string]any) map[string]any {
	made, own := maps.Clone(object), maps.Clone(metadata(object))
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
