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

// pageSize is the number of objects in memory at a time.
const pageSize = 250

// Scanner evaluates live objects. It is safe for concurrent use.
type Scanner struct {
	// Reader must read from the API server, not from a cache, and support paging.
	Reader client.Reader
	Facts  pipeline.FactSource
}

// Scan decides the objects of a kind in a namespace, or in all namespaces if it is "", and calls
// each with every decision. Objects that a built-in controller made from a template are skipped
// unless withMade is set: the template is decided in their place. failed counts the objects that
// could not be decided. The error is that of the list call or of ctx.
func (s *Scanner) Scan(ctx context.Context, decider *pipeline.Decider, kind schema.GroupVersionKind, namespace string, withMade bool, each func(d *decision.Decision, made bool)) (failed int, err error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	options := &client.ListOptions{Namespace: namespace, Limit: pageSize}
	for {
		if err := s.Reader.List(ctx, list, options); err != nil {
			return failed, fmt.Errorf("listing %s: %w", kind.Kind, err)
		}
		for i := range list.Items {
			fromTemplate := madeFromTemplate(&list.Items[i])
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

// madeFromTemplate reports whether a built-in controller made the object from a template. Unlike
// admission, an audit can trust ownerReferences: nothing is admitted because of them.
func madeFromTemplate(object *unstructured.Unstructured) bool {
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
