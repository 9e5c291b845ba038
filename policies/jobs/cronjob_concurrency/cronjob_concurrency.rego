# METADATA
# title: Runs of a CronJob do not overlap
# description: >-
#   With concurrencyPolicy Allow, the default, a run starts while the previous one is still active, and slow runs pile
#   up. Forbid skips a run that is due too early, and Replace stops the previous one. The fix changes Allow to Forbid,
#   but only if the Job's activeDeadlineSeconds and its Pods' grace period end each run before the next one is due, so
#   that Forbid skips none. Without a deadline, one run that hangs would silently block all later ones.
# custom:
#   id: cronjob-concurrency
#   severity: medium
#   section: 3.2.9
#   kinds: [CronJob.batch]
#   default_mode: warn
#   remediation: "Set concurrencyPolicy: Forbid to skip a run while the previous one is active, with activeDeadlineSeconds in the Job so that a hung run cannot block others, or concurrencyPolicy: Replace to stop it."
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

import data.taffrail.lib.prestop
import future.keywords.not

deny contains object.union(finding, fix) if {
	not policy in allowed
	finding := {
		"msg": message,
		"path": "spec.concurrencyPolicy",
		"key": sprintf("concurrencyPolicy=%v", [policy]),
	}
}

# The API server's default, for an object without a spec.
default policy := "Allow"

policy := input.object.spec.concurrencyPolicy

allowed := input.parameters.allowed

message := "concurrencyPolicy is Allow, so a run starts while the previous one is still active" if {
	policy == "Allow"
} else := sprintf("concurrencyPolicy is %v, not %s", [policy, concat(" or ", allowed)])

fix := {"fix": [{"op": "add", "path": "/spec/concurrencyPolicy", "value": "Forbid"}]} if {
	policy == "Allow"
	"Forbid" in allowed
	deadline := input.object.spec.jobTemplate.spec.activeDeadlineSeconds
	is_number(deadline)
	is_number(prestop.grace_period)
	deadline + prestop.grace_period <= input.schedule.interval
} else := {}
