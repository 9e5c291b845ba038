package server

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
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

// Configuration leaves the Exemptions out: none depends on another.
func (s *storedConfig) Configuration(ctx context.Context) (config.Objects, error) {
	var guardrails v1alpha1.GuardrailList
	var policies v1alpha1.PolicyList
	for _, list := range []client.ObjectList{&guardrails, &policies} {
		if err := s.live.List(ctx, list); err != nil {
			return config.Objects{}, fmt.Errorf("listing: %w", err)
		}
	}
	return config.Objects{Guardrails: guardrails.Items, Policies: policies.Items}, nil
}

// Namespaces are those that there are.
func (s *storedConfig) Namespaces(ctx context.Context) ([]review.Namespace, error) {
	return s.facts.Namespaces(ctx)
}
