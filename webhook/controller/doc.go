// Package controller reconciles the configuration in force, and the status of its objects, with the cluster.
//
// Each concern is a loop that reconciles one thing, when its trigger fires and periodically:
//
//   - compiler compiles the stored configuration into the Snapshot in force (every replica),
//   - statusWriter writes the conditions of Guardrails, Exemptions and Policies, and records since when injections are
//     enforced (the leader),
//   - exemptionUsage counts what Exemptions exempt (the leader),
//   - wouldDenyWriter adds what this replica would have denied or filled to the status of
//     Guardrails (every replica),
//   - policyFailures reports Policies that this replica could not evaluate (every replica),
//   - comparison repeats a share of evaluations with the other engine (every replica).
//
// Audit runs in a process of its own, with a Lease of its own:
//
//   - audit.Auditor keeps the findings about existing objects current,
//   - reportWriter makes the reports in the cluster say what it has found,
//   - auditStatus counts it in the status of Guardrails.
//
// When the Lease is lost, the process keeps serving: the webhook must survive an outage of the API server.
package controller
