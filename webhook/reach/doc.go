// Package reach finds the gaps between what bindings cover and what the API server sends. A
// policy can apply to any kind, and a Guardrail can select any namespace, but the API server
// calls the webhook only for what the webhook configurations match.
//
// The comparison is a pure function of the bound kinds, the webhook configurations, the resources
// that the cluster serves and its namespaces.
package reach
