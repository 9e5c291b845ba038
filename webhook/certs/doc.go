// Package certs provides the serving certificate of the webhook: Files serves a pair that
// something else manages, a Rotator issues its own and renews it without a single failed request.
//
// The whole state of a Rotator is in one Secret, which every replica watches and any replica may
// write. Writes use optimistic locking: a replica that loses the race gets a conflict and takes
// over what the winner wrote. A certificate is renewed under the authority that the API server
// already trusts. An authority is replaced in steps: the new one is first added to every
// caBundle, next to the old one, and signs only once every webhook configuration has carried it
// for a while.
//
// The rotation is our own because Taffrail does not require cert-manager, and because
// open-policy-agent/cert-controller replaces the authority in one step and restarts the process:
// requests fail until every API server has read the new bundle.
package certs
