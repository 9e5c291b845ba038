# METADATA
# title: Pods fit the LimitRanges
# description: >-
#   If the namespace's LimitRanges would reject the Pods or claims of a template, the template itself is denied when it
#   is applied; otherwise, the error would appear only later, in an event of its controller. This covers min, max and
#   ratio, the totals of the Pod, the size of a claim, and a default that makes a Pod invalid. Values that LimitRanges
#   set by default, and values that are injected, are taken into account. If the result depends on the order in which
#   several LimitRanges apply, which is not defined, it is a warning.
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
#   remediation: "Keep requests and limits within the LimitRange (see kubectl describe limitrange), because no Pod can be created otherwise, or ask its owner to change it."
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
# title: The paths of containers, by name
# description: An index, because comparing each of many refusals with each of many containers takes too long.
places[container.name] contains container.path if {
	some container in input.containers
	container.type != "ephemeral"
}

finding(refusal) := object.union_n([ceiling(refusal.certain), identity(refusal), {"msg": sprintf("%s (%s)", [refusal.message, refusal.by])}])

# METADATA
# title: The part of a refusal that stays the same when a value gets closer to its bound
# description: >-
#   A value that a default makes invalid has no bound, except a request over the limit. Then the message says what is
#   wrong.
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
# title: The list in which a violation is reported
# description: A minimum applies to the request. Everything else can be fixed by changing the limit.
list(bound) := "requests" if {
	bound == "min"
} else := "limits"

ceiling(certain) := {} if {
	certain
} else := {"at_most": "warn"}
