// Package server serves the webhook: the certificate, HTTPS, limits on connections, health and
// draining, and the wiring of everything behind them. webhook/controller runs the loops.
//
// HTTP/2 is off. The API server pins webhooks behind a Service to HTTP/1.1 anyway, and
// what is not there cannot be reset rapidly.
package server
