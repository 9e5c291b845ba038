// Package reach compares what is bound with what the API server sends. A policy may be
// about any kind, and a Guardrail may select any namespace, but the API server asks about
// what the webhook configurations name and about nothing else.
//
// The comparison is a pure function of the bound kinds, the webhook configurations, the
// resources that the cluster serves and its namespaces.
package reach
