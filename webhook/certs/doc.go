// Package certs has the serving certificate of the webhook: from Files that somebody
// else keeps, or from a Keeper that makes and renews it without one request that fails.
//
// All that a Keeper knows lives in one Secret, which every replica watches and any may
// write; who comes second meets a conflict and takes what the first one wrote. A
// certificate is renewed under the authority that the API server trusts already. An
// authority is succeeded in steps: the new one is trusted first, beside the old one, and
// signs once every webhook configuration has had it for a while.
//
// The rotation is ours because cert-manager is more than a cluster may want for one
// certificate, and open-policy-agent/cert-controller replaces the authority in one step and
// restarts the process: requests fail until every API server has read the new bundle.
package certs
