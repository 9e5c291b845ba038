# METADATA
# title: Runs of a CronJob do not overlap
# description: >-
#   With concurrencyPolicy Allow, the default, a run starts while the last one is still going, and a slow one piles up.
#   Forbid skips a run that comes too early, Replace ends the old one. The fix is Forbid, which ends nothing, or, where
#   Forbid is not allowed, the first policy that is.
# custom:
#   id: cronjob-concurrency
#   severity: medium
#   section: 3.2.9
#   kinds: [CronJob.batch]
#   default_mode: warn
#   remediation: "Set concurrencyPolicy: Forbid, which skips a run while the last one is still going, or concurrencyPolicy: Replace, which ends that one."
#   parameters:
#     type: object
#     properties:
#       allowed:
#         type: array
#         minItems: 1
#         items:
#           type: string
#           enum: [Allow, Forbid, Replace]
#         default: [Forbid, Replace]
#         description: The concurrency policies that a CronJob may have.
package taffrail.jobs.cronjob_concurrency

import future.keywords.not

deny contains finding if {
	not policy in allowed
	finding := {
		"msg": message,
		"path": "spec.concurrencyPolicy",
		"key": sprintf("concurrencyPolicy=%v", [policy]),
		"fix": [{"op": "add", "path": "/spec/concurrencyPolicy", "value": better}],
	}
}

# What the API server makes of an object without a spec.
default policy := "Allow"

policy := input.object.spec.concurrencyPolicy

allowed := input.parameters["cronjob-concurrency"].allowed

message := "concurrencyPolicy is Allow, so a run starts while the last one is still going" if {
	policy == "Allow"
} else := sprintf("concurrencyPolicy is %v, not %s", [policy, concat(" or ", allowed)])

better := "Forbid" if {
	"Forbid" in allowed
} else := allowed[0]
