# METADATA
# title: Enough replicas to lose one
# description: >-
#   While a node is drained, one of its replicas is gone, so there is another. Where a HorizontalPodAutoscaler targets the
#   object, its minReplicas counts and spec.replicas does not. An object that is scaled to 0 passes: nothing is served, and
#   nothing scales it up by itself. The fix is the minimum, for a Deployment that no HorizontalPodAutoscaler targets, that
#   mounts no claim and rolls: a second replica of a StatefulSet, or of what is stopped before it is replaced, can do harm.
# custom:
#   id: min-replicas
#   severity: medium
#   section: 3.2.3
#   kinds: [Deployment.apps, StatefulSet.apps]
#   default_mode: warn
#   remediation: "Set for example replicas: 2, or where a HorizontalPodAutoscaler scales it, minReplicas: 2."
#   facts: [horizontalPodAutoscalers]
#   parameters:
#     type: object
#     properties:
#       minimum:
#         type: integer
#         minimum: 1
#         default: 2
#         description: How many replicas there are at least.
package taffrail.replicas.min_replicas

import data.taffrail.lib.claims
import future.keywords.not

deny contains object.union(finding, object.union(fix, excess)) if {
	not input.object.spec.replicas == 0
	not enough(lowest)
	finding := {
		"msg": message,
		"path": "spec.replicas",
	}
}

minimum := input.parameters["min-replicas"].minimum

enough(replicas) if {
	is_number(replicas)
	replicas >= minimum
}

autoscaler := input.workload.autoscaler.name

# What there will be left of at the least.
lowest := input.workload.autoscaler.minReplicas if {
	autoscaler
} else := replicas

# What the API server makes of an object without a spec.
default replicas := 1

replicas := input.object.spec.replicas

message := sprintf("HorizontalPodAutoscaler %s may leave %s, fewer than %d", [autoscaler, counted(lowest), minimum]) if {
	autoscaler
} else := "there is 1 replica, so none is left while its node is drained" if {
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

fix := {"fix": [{"op": "add", "path": "/spec/replicas", "value": minimum}]} if {
	input.kind == "Deployment"
	input.object.spec.strategy.type == "RollingUpdate"
	not autoscaler
	not claims.mounted
} else := {}
