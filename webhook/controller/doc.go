// Package controller keeps what decides, and what is reported of it, in step with the cluster.
//
// Each concern is a loop that reconciles one thing, whenever its trigger fires and when time has
// passed:
//
//   - compiler turns the stored configuration into the Snapshot that decides (every replica),
//   - statusWriter writes the conditions of Guardrails, Exemptions and Policies (the leader),
//   - exemptionUsage counts what Exemptions excuse (the leader),
//   - wouldDenyWriter adds what this replica would have denied or filled to the status of
//     Guardrails (every replica),
//   - policyFailures reports Policies that this replica could not evaluate (every replica).
//
// Losing the Lease ends neither the process nor its answers: the webhook must outlive a time in
// which the API server cannot be reached.
package controller
