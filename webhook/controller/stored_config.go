package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/facts"
)

// storedConfig implements configcheck.Stored. It reads the configuration from the API server. Namespaces appear
// only in messages, so it reads them from the informers.
type storedConfig struct {
	live  client.Reader
	facts *facts.Facts
}

// Configuration returns all stored objects.
func (s *storedConfig) Configuration(ctx context.Context) (config.Objects, error) {
	return readObjects(ctx, s.live)
}

// Namespaces returns the existing namespaces.
func (s *storedConfig) Namespaces(ctx context.Context) ([]decision.Namespace, error) {
	return s.facts.Namespaces(ctx)
}

// liveNamespaces is the largest number of namespaces to read one by one; more are listed at once.
const liveNamespaces = 20

// Labels reads the named namespaces from the API server. It omits those that do not exist.
func (s *storedConfig) Labels(ctx context.Context, names []string) (map[string]decision.Namespace, error) {
	found := make(map[string]decision.Namespace, len(names))
	add := func(namespace *corev1.Namespace) {
		found[namespace.Name] = decision.Namespace{Name: namespace.Name, Labels: namespace.Labels, Known: true}
	}
	if len(names) > liveNamespaces {
		var list corev1.NamespaceList
		if err := s.live.List(ctx, &list); err != nil {
			return nil, fmt.Errorf("listing namespaces: %w", err)
		}
		for i := range list.Items {
			add(&list.Items[i])
		}
		return found, nil
	}
	for _, name := range names {
		namespace := &corev1.Namespace{}
		err := s.live.Get(ctx, client.ObjectKey{Name: name}, namespace)
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			return nil, fmt.Errorf("reading namespace %s: %w", name, err)
		default:
			add(namespace)
		}
	}
	return found, nil
}
