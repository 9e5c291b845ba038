# METADATA
# title: Deployments roll out step by step
# description: >-
#   A change replaces some replicas at a time, so that others answer meanwhile. The strategy Recreate stops all of them,
#   and so does a maxUnavailable that takes every replica down at once. That is counted as Kubernetes does: of
#   spec.replicas, or of the minReplicas of a HorizontalPodAutoscaler where that is more; a percentage of maxUnavailable
#   is rounded down and one of maxSurge up, and where both come to nothing one replica is taken down. Pods that mount a
#   claim may have to let go of their disk before the next one starts, so theirs may all stop at once. At 0 replicas only
#   a maxUnavailable of 100% or more is too much; paused makes no difference, because it ends. The fix, for a number that
#   takes down two replicas or more, is maxUnavailable 1. There is none for Recreate, nor for a percentage of 100 or more,
#   which says "all" whatever replicas is: two versions side by side may be what they keep apart.
# custom:
#   id: rolling-update
#   severity: medium
#   section: rollout/rollback
#   kinds: [Deployment.apps]
#   default_mode: warn
#   remediation: "Set for example strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}, so that a new replica is ready before an old one stops."
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

type_message := "strategy Recreate stops every replica before the first new one starts" if {
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

# Scaled to none, it will take all of those that come.
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
} else := sprintf("maxUnavailable %v and no surge take the only replica down before a new one starts", [max_unavailable])

fix := {"fix": [{"op": "add", "path": "/spec/strategy/rollingUpdate/maxUnavailable", "value": 1}]} if {
	pods.steady > 1
	is_number(max_unavailable)
} else := {}
