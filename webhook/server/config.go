package server

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/cluster"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/review"
)

// storedConfig is a pipeline.Stored: the configuration from the API server itself, and the
// namespaces, which are only told of, from the informers.
type storedConfig struct {
	live  client.Reader
	facts *cluster.Facts
}

// Configuration is all that is stored.
func (s *storedConfig) Configuration(ctx context.Context) (config.Objects, error) {
	return readObjects(ctx, s.live)
}

// Namespaces are those that there are.
func (s *storedConfig) Namespaces(ctx context.Context) ([]review.Namespace, error) {
	return s.facts.Namespaces(ctx)
}
