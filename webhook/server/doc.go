// Package server wires the webhook together: certificate, HTTPS, metrics, health, the
// informers, the configuration that Guardrails compile to, and their status.
//
// Every replica watches Guardrails and compiles them; only the elected leader writes
// their status. Losing the lease ends neither the process nor the answers: a guardrail
// must not go down because the API server was out of reach for a while.
//
// HTTP/2 is off. The API server pins webhooks behind a Service to HTTP/1.1 anyway, and
// what is not there cannot be reset rapidly.
package server
