// Package server serves the webhook: the certificate, HTTPS, limits on connections, health checks and draining,
// and the wiring of everything behind them. webhook/controller runs the loops.
//
// HTTP/2 is disabled: the API server uses HTTP/1.1 for webhooks behind a Service anyway, and Rapid Reset
// attacks then do not apply.
package server
