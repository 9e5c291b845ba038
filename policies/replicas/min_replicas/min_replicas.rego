# METADATA
# title: There are enough replicas to lose one
# description: >-
#   While a node is drained, the replica on it is unavailable, so there must be another one. If a
#   HorizontalPodAutoscaler targets the object, its minReplicas counts and spec.replicas does not. An object that is
#   scaled to 0 passes: it serves nothing, and nothing scales it up on its own. There is no fix, because no manifest
#   shows that a second replica is safe. Two databases on two volumes split the data, two on one volume destroy it, a
#   scheduler without leader election runs everything twice, and a host port or a disk that attaches to one node leaves
#   the second Pod Pending. A KEDA ScaledObject, or anything else that scales the object, overrides the number of
#   replicas in the manifest.
# custom:
#   id: min-replicas
#   severity: medium
#   section: 3.2.3
#   kinds: [Deployment.apps, StatefulSet.apps]
#   default_mode: warn
#   remediation: "Set, for example, replicas: 2, or minReplicas: 2 in an autoscaler, unless two replicas would conflict: data in memory or on one Pod's volume, a host port, a scheduler without leader election."
#   facts: [horizontalPodAutoscalers]
#   parameters:
#     type: object
#     properties:
#       minimum:
#         type: integer
#         minimum: 1
#         default: 2
#         description: The minimum number of replicas.
package taffrail.replicas.min_replicas

import future.keywords.not

deny contains object.union(finding, excess) if {
	not input.object.spec.replicas == 0
	not enough(lowest)
	finding := {
		"msg": message,
		"path": "spec.replicas",
	}
}

minimum := input.parameters.minimum

enough(replicas) if {
	is_number(replicas)
	replicas >= minimum
}

autoscaler := input.workload.autoscaler.name

# The lowest number of replicas that there can be.
lowest := input.workload.autoscaler.minReplicas if {
	autoscaler
} else := replicas

# The API server's default, for an object without a spec.
default replicas := 1

replicas := input.object.spec.replicas

message := sprintf("HorizontalPodAutoscaler %s may scale down to %s, fewer than %d", [autoscaler, counted(lowest), minimum]) if {
	autoscaler
} else := "there is only 1 replica, so none is left while its node is drained" if {
	replicas == 1
} else := sprintf("there are %s, fewer than %d", [counted(replicas), minimum]) if {
	is_number(replicas)
} else := "replicas is not a number"

excess := {"excess": minimum - lowest} if {
	is_number(lowest)
} else := {}

counted(number) := "1 replica" if {
	number == 1
} else := sprintf("%v replicas", [number])
