# METADATA
# title: Deployments roll out step by step
# description: >-
#   A rollout replaces some replicas at a time, so that the others keep serving. The strategy Recreate stops all of
#   them, and so does a maxUnavailable that takes every replica down at once. This is calculated as in Kubernetes: from
#   spec.replicas, or from the minReplicas of a HorizontalPodAutoscaler if that is more; a percentage in maxUnavailable
#   is rounded down and one in maxSurge up, and if both result in 0, one replica is taken down. Pods that mount a claim
#   may have to release their disk before the next one starts, so all of them may stop at once. At 0 replicas, only a
#   maxUnavailable of 100% or more is a violation; paused makes no difference, because a pause ends. The fix, for a
#   number that takes down two or more replicas, is a maxUnavailable of 1. There is no fix for Recreate, nor for 100% or
#   more, which means "all" whatever replicas is: it may be there to keep two versions from running side by side.
# custom:
#   id: rolling-update
#   severity: medium
#   section: rollout/rollback
#   kinds: [Deployment.apps]
#   default_mode: warn
#   remediation: "Set, for example, strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}, so that a new replica is ready before an old one stops."
#   facts: [horizontalPodAutoscalers]
package taffrail.rollout.rolling_update

import data.taffrail.lib.claims
import future.keywords.not

deny contains finding if {
	not claims.mounted
	not type == "RollingUpdate"
	finding := {
		"msg": type_message,
		"path": "spec.strategy.type",
		"key": sprintf("type=%v", [type]),
	}
}

deny contains finding if {
	rolling
	some field in ["maxUnavailable", "maxSurge"]
	not share(input.object.spec.strategy.rollingUpdate[field])
	finding := {
		"msg": sprintf("%s is neither a number nor a percentage", [field]),
		"path": concat(".", ["spec.strategy.rollingUpdate", field]),
	}
}

deny contains finding if {
	rolling
	stuck
	finding := {
		"msg": "maxUnavailable and maxSurge are both 0, so no replica can be replaced",
		"path": "spec.strategy.rollingUpdate.maxUnavailable",
		"key": "maxUnavailable=0,maxSurge=0",
	}
}

deny contains object.union(finding, fix) if {
	rolling
	not stuck
	takes_all_down
	finding := {
		"msg": message,
		"path": "spec.strategy.rollingUpdate.maxUnavailable",
		"key": "maxUnavailable",
	}
}

rolling if {
	type == "RollingUpdate"
	not claims.mounted
}

default type := ""

type := input.object.spec.strategy.type

type_message := "strategy Recreate stops every replica before a new one starts" if {
	type == "Recreate"
} else := "the strategy is neither RollingUpdate nor Recreate"

pods := input.workload.pods

max_unavailable := input.object.spec.strategy.rollingUpdate.maxUnavailable

stuck if {
	nothing(max_unavailable)
	nothing(input.object.spec.strategy.rollingUpdate.maxSurge)
}

nothing(value) if value in {0, "0%"}

takes_all_down if {
	pods.steady > 0
	pods.unavailable >= pods.steady
}

# At 0 replicas, this will take down all of them once it is scaled up.
takes_all_down if {
	is_string(max_unavailable)
	regex.match(`^[1-9][0-9]{2,8}%$`, max_unavailable)
}

share(value) if {
	is_number(value)
	value >= 0
}

share(value) if {
	is_string(value)
	regex.match(`^[0-9]{1,9}%$`, value)
}

message := sprintf("maxUnavailable %v takes all %d replicas down at once", [max_unavailable, pods.steady]) if {
	pods.steady > 1
} else := sprintf("maxUnavailable %v takes every replica down at once", [max_unavailable]) if {
	pods.steady == 0
} else := sprintf("maxUnavailable %v takes the only replica down before a new one is ready", [max_unavailable]) if {
	not pods.surge == 0
} else := sprintf("with maxUnavailable %v and no surge, the only replica stops before a new one starts", [max_unavailable])

fix := {"fix": [{"op": "add", "path": "/spec/strategy/rollingUpdate/maxUnavailable", "value": 1}]} if {
	pods.steady > 1
	is_number(max_unavailable)
} else := {}
