# METADATA
# title: Old revisions are kept for a rollback
# description: >-
#   kubectl rollout undo returns to an old ReplicaSet or ControllerRevision, and revisionHistoryLimit is the number of
#   them to keep. If it is not set, Kubernetes keeps ten. The fix raises a number to the required minimum. There is no
#   fix for a value that is not a number, such as "3", which should not become a different one.
# custom:
#   id: rollback-history
#   severity: medium
#   section: rollout/rollback
#   kinds:
#   - Deployment.apps
#   - StatefulSet.apps
#   - DaemonSet.apps
#   default_mode: enforce
#   remediation: "Remove revisionHistoryLimit to keep 10 old revisions, the default, or set, for example, revisionHistoryLimit: 3."
#   parameters:
#     type: object
#     properties:
#       minimum:
#         type: integer
#         minimum: 1
#         default: 1
#         description: The minimum number of old revisions to keep.
package taffrail.rollout.rollback_history

import future.keywords.not

deny contains object.union(finding, amount) if {
	not enough(limit)
	finding := {
		"msg": message,
		"path": "spec.revisionHistoryLimit",
	}
}

# The API server's default, for an object without a spec.
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

message := "revisionHistoryLimit is 0, so there is no old revision to roll back to" if {
	limit == 0
} else := sprintf("revisionHistoryLimit is %v, less than the minimum of %d", [limit, minimum]) if {
	is_number(limit)
} else := "revisionHistoryLimit is not a number"
