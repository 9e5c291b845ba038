# METADATA
# title: Pods fit the LimitRanges
# description: >-
#   A template whose Pods or claims the namespace's LimitRanges would refuse is refused itself, when it is applied and not
#   in an event of its controller: for a min, a max, a ratio, the Pod's totals, the size of a claim, or a default that
#   makes a Pod invalid. What LimitRanges default and what is injected counts. Where it depends on the order in which
#   several LimitRanges apply, which nobody can say, it is a warning.
# custom:
#   id: limitrange-fit
#   severity: high
#   section: 3.7.3
#   kinds:
#   - Deployment.apps
#   - StatefulSet.apps
#   - DaemonSet.apps
#   - ReplicaSet.apps
#   - ReplicationController
#   - Job.batch
#   - CronJob.batch
#   default_mode: enforce
#   remediation: "Keep requests and limits inside the LimitRange, which otherwise lets no Pod be created (kubectl describe limitrange shows it), or have its owner change it."
#   facts: [limitRanges]
package taffrail.resources.limitrange_fit

import future.keywords.not

deny contains object.union(finding(refusal), {"path": path}) if {
	some refusal in input.workload.refusals
	refusal.claim != ""
	path := sprintf("%s.spec.resources.requests.%s", [refusal.claim, refusal.resource])
}

deny contains object.union(finding(refusal), {"path": path, "container": refusal.container}) if {
	some refusal in input.workload.refusals
	refusal.container != ""
	some container in places[refusal.container]
	path := sprintf("%s.resources.%s.%s", [container, list(refusal.bound), refusal.resource])
}

deny contains object.union(finding(refusal), {"path": input.workload.specPath}) if {
	some refusal in input.workload.refusals
	refusal.claim == ""
	refusal.container == ""
}

# METADATA
# title: Where the containers of a name are
# description: Looked up by name, or many refusals of many containers would be too many pairs.
places[container.name] contains container.path if {
	some container in input.containers
	container.type != "ephemeral"
}

finding(refusal) := object.union_n([ceiling(refusal.certain), identity(refusal), {"msg": sprintf("%s (%s)", [refusal.message, refusal.by])}])

# METADATA
# title: What stays the same when a value comes nearer to its bound
# description: What a default makes invalid has no bound, but for a request over the limit. There the message says what is wrong.
identity(refusal) := {"key": concat(" ", [place(refusal), refusal.message])} if {
	refusal.bound == "default"
	not refusal.excess
} else := object.union(
	{"key": concat(" ", [place(refusal), refusal.bound, refusal.resource])},
	object.filter(refusal, ["excess"]),
)

place(refusal) := sprintf("%s:", [refusal.by]) if {
	refusal.claim == ""
} else := sprintf("%s: claim %s", [refusal.by, input.claims[refusal.claim].name]) if {
	input.claims[refusal.claim].name
} else := sprintf("%s: claim %s", [refusal.by, refusal.claim])

# METADATA
# title: Where a bound is broken
# description: A minimum is one of the request. All else can be mended at the limit.
list(bound) := "requests" if {
	bound == "min"
} else := "limits"

ceiling(certain) := {} if {
	certain
} else := {"at_most": "warn"}
