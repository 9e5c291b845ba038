# METADATA
# title: Old revisions are kept for a rollback
# description: >-
#   kubectl rollout undo returns to an old ReplicaSet or ControllerRevision, and revisionHistoryLimit says how many are
#   kept. Where it is not set, Kubernetes keeps ten. The fix raises a number to the least that is asked for. There is none
#   for what is not a number, such as "3", which is not meant to become another one.
# custom:
#   id: rollback-history
#   severity: medium
#   section: rollout/rollback
#   kinds:
#   - Deployment.apps
#   - StatefulSet.apps
#   - DaemonSet.apps
#   default_mode: enforce
#   remediation: "Remove revisionHistoryLimit, which keeps 10 old revisions, or set for example revisionHistoryLimit: 3."
#   parameters:
#     type: object
#     properties:
#       minimum:
#         type: integer
#         minimum: 1
#         default: 1
#         description: How many old revisions are kept at least.
package taffrail.rollout.rollback_history

import future.keywords.not

deny contains object.union(finding, amount) if {
	not enough(limit)
	finding := {
		"msg": message,
		"path": "spec.revisionHistoryLimit",
	}
}

# What the API server makes of an object without a spec.
default limit := 10

limit := input.object.spec.revisionHistoryLimit

minimum := input.parameters.minimum

enough(revisions) if {
	is_number(revisions)
	revisions >= minimum
}

amount := {
	"excess": minimum - limit,
	"fix": [{"op": "add", "path": "/spec/revisionHistoryLimit", "value": minimum}],
} if {
	is_number(limit)
} else := {}

message := "revisionHistoryLimit is 0, so no old revision is left to roll back to" if {
	limit == 0
} else := sprintf("revisionHistoryLimit is %v, so fewer than %d old revisions are left to roll back to", [limit, minimum]) if {
	is_number(limit)
} else := "revisionHistoryLimit is not a number"
