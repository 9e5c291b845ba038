# METADATA
# title: All Pods fit the ResourceQuotas
# description: >-
#   A workload whose Pods together need more than the namespace's ResourceQuotas have left gets fewer Pods, and only an
#   event reports it. Replicas, an autoscaler's minimum, the parallel Pods of a Job and the claims of a StatefulSet are
#   counted, with the values that LimitRanges set by default and those that are injected; what the workload's existing
#   Pods use is subtracted. The policy also reports a rollout that could not start, and a quota that requires a value
#   that a container lacks. A rollout that gets fewer surge Pods than it may have, or an autoscaler that cannot reach
#   its maximum, is only recorded.
# custom:
#   id: quota-fit
#   severity: medium
#   section: 3.7.4
#   kinds:
#   - Deployment.apps
#   - StatefulSet.apps
#   - DaemonSet.apps
#   - ReplicaSet.apps
#   - ReplicationController
#   - Job.batch
#   - CronJob.batch
#   default_mode: warn
#   remediation: "Lower replicas or requests, for example replicas: 2, set what the ResourceQuota requires, or ask its owner to raise it."
#   facts: [limitRanges, resourceQuotas, horizontalPodAutoscalers, persistentVolumeClaims, storageClasses]
package taffrail.resources.quota_fit

import future.keywords.not

deny contains object.union_n([ceiling(shortage), identity(shortage), finding]) if {
	some shortage in input.workload.shortages
	shortage.pods > 0
	finding := {
		"msg": sprintf("%s has %s of %s %s left, but %s", [
			shortage.by,
			shortage.left,
			shortage.hard,
			shortage.resource,
			demand(shortage),
		]),
		"path": count_path(input.kind),
	}
}

deny contains object.union(ceiling(shortage), finding) if {
	some shortage in input.workload.shortages
	shortage.pods == 0
	some container in input.containers
	container.name == shortage.container
	container.type != "ephemeral"
	finding := {
		"msg": sprintf("%s requires %s in every container", [shortage.by, trim_prefix(shortage.field, "resources.")]),
		"container": shortage.container,
		"path": sprintf("%s.%s", [container.path, shortage.field]),
		"key": sprintf("%s: %s", [shortage.by, shortage.field]),
	}
}

# METADATA
# title: The part of a shortage that stays the same when less is missing
# description: A rollout that cannot start, while all Pods run, is better than missing Pods.
identity(shortage) := object.union(
	{"key": sprintf("%s: %s", [shortage.by, shortage.resource])},
	object.filter(shortage, ["excess"]),
) if {
	shortage.when in {"always", "stuck"}
} else := {"key": sprintf("%s: %s, %s", [shortage.by, shortage.resource, shortage.when])}

demand(shortage) := sprintf("%d Pods need %s", [shortage.pods, shortage.needed]) if {
	shortage.when == "always"
	shortage.pods > 1
}

demand(shortage) := sprintf("1 Pod needs %s", [shortage.needed]) if {
	shortage.when == "always"
	shortage.pods == 1
}

demand(shortage) := sprintf("a rollout needs %s to create Pod %d", [shortage.needed, shortage.pods]) if {
	shortage.when == "stuck"
}

demand(shortage) := sprintf("the %d Pods of a rollout need %s", [shortage.pods, shortage.needed]) if {
	shortage.when == "rollout"
}

demand(shortage) := sprintf("the %d Pods of autoscaler %s need %s", [shortage.pods, input.workload.autoscaler.name, shortage.needed]) if {
	shortage.when == "scaling"
}

count_path("Job") := "spec.parallelism"

count_path("CronJob") := "spec.jobTemplate.spec.parallelism"

count_path("DaemonSet") := "spec.template.spec"

count_path(kind) := "spec.replicas" if kind in {"Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"}

# METADATA
# title: The strictest mode for a shortage
# description: A rollout and an autoscaler work with fewer Pods too, and an uncertain shortage is no reason to deny.
ceiling(shortage) := {"at_most": "audit"} if {
	shortage.when in {"rollout", "scaling"}
} else := {"at_most": "warn"} if {
	not shortage.certain
} else := {}
