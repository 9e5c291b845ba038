package audit

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/request"
)

// pageSize is how many objects are held at once.
const pageSize = 250

// Scanner decides live objects. It is safe for concurrent use.
type Scanner struct {
	// Reader asks the API server each time, with its paging.
	Reader client.Reader
	Facts  pipeline.FactSource
}

// Scan decides the objects of a kind in a namespace, "" for all of them, and hands each
// decision on. What a built-in controller made from a template is left out unless withMade:
// the template stands for it. An object that cannot be decided is left out too, and counted as failed.
// The error is that of the listing, or of ctx.
func (s *Scanner) Scan(ctx context.Context, decider *pipeline.Decider, kind schema.GroupVersionKind, namespace string, withMade bool, each func(d *decision.Decision, made bool)) (failed int, err error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	options := &client.ListOptions{Namespace: namespace, Limit: pageSize}
	for {
		if err := s.Reader.List(ctx, list, options); err != nil {
			return failed, fmt.Errorf("listing %s: %w", kind.Kind, err)
		}
		for i := range list.Items {
			fromTemplate := made(&list.Items[i])
			if fromTemplate && !withMade {
				continue
			}
			request, err := request.Live(list.Items[i].Object, kind)
			var decision *decision.Decision
			if err == nil {
				decision, err = decider.Decide(ctx, request)
			}
			if ctx.Err() != nil {
				return failed, ctx.Err()
			}
			if err != nil {
				failed++
				continue
			}
			each(decision, fromTemplate)
		}
		if options.Continue = list.GetContinue(); options.Continue == "" {
			return failed, nil
		}
	}
}

// made tells whether a controller of Kubernetes made an object from a template. Here, and
// unlike at admission, an owner may be believed: nothing is let through for it.
func made(object *unstructured.Unstructured) bool {
	owner := metav1.GetControllerOf(object)
	if owner == nil {
		return false
	}
	group, err := schema.ParseGroupVersion(owner.APIVersion)
	if err != nil {
		return false
	}
	switch group.Group {
	case "apps", "batch":
		return true
	case "":
		return owner.Kind == "ReplicationController" || owner.Kind == "Node"
	}
	return false
}
