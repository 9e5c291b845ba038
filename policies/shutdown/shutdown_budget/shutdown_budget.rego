# METADATA
# title: The preStop wait fits in the grace period
# description: >-
#   The kubelet starts to count terminationGracePeriodSeconds before it runs the preStop hook, and sends SIGKILL when
#   the time is up. So in a long-running workload, the hook of every app container that opens a port must leave some of
#   that time for the shutdown. What counts is the minimum time that the hook waits: the seconds of a sleep action, or
#   the sum of the sleeps in an exec. Its other programs take additional time, which is not counted. How long an httpGet
#   or another program takes is unknown and not checked, but a hook that never ends by itself, such as sleep infinity,
#   fits in no grace period. A probe's own terminationGracePeriodSeconds is not checked: it applies after the probe has
#   failed, when there are no requests to wait for. The fix raises terminationGracePeriodSeconds to what the longest
#   wait in the Pod needs, up to ten minutes. It leaves a period of 0 unchanged. It never undoes what require-prestop
#   requires, and require-prestop proposes no wait that this policy would object to, as long as its marginSeconds is not
#   smaller.
# custom:
#   id: shutdown-budget
#   severity: medium
#   section: 3.6.1
#   kinds:
#   - Pod
#   - Deployment.apps
#   - StatefulSet.apps
#   - DaemonSet.apps
#   - ReplicaSet.apps
#   - ReplicationController
#   - Job.batch
#   - CronJob.batch
#   default_mode: enforce
#   remediation: "Set terminationGracePeriodSeconds to more than the hook's wait plus the shutdown, for example terminationGracePeriodSeconds: 60 for a hook with sleep: {seconds: 30}, or shorten the wait."
#   parameters:
#     type: object
#     properties:
#       marginSeconds:
#         type: integer
#         minimum: 0
#         maximum: 3600
#         default: 5
#         description: The number of seconds that the wait must leave of terminationGracePeriodSeconds. Not more than require-prestop's marginSeconds.
package taffrail.shutdown.shutdown_budget

import data.taffrail.lib.prestop
import future.keywords.not

deny contains object.union(finding, object.union(fix, excess(wait))) if {
	some path, wait in waits
	not wait <= room
	finding := {
		"msg": message(wait),
		"path": field,
		"container": input.containers[path].name,
	}
}

deny contains finding if {
	some path in serving
	container := input.containers[path]
	prestop.endless(container.spec.lifecycle.preStop)
	finding := {
		"msg": "the preStop hook never ends, so the container gets SIGKILL and never SIGTERM",
		"path": concat("", [path, ".lifecycle.preStop"]),
		"container": container.name,
	}
}

waits[path] := wait if {
	some path in serving
	hook := input.containers[path].spec.lifecycle.preStop
	not prestop.endless(hook)
	wait := prestop.seconds(hook)
	wait > 0
}

serving contains path if {
	input.workload.longRunning
	some path, container in input.containers
	container.type == "app"
	container.spec.ports[0]
}

excess(wait) := {"excess": wait - room} if {
	room
} else := {}

room := prestop.grace_period - margin if is_number(prestop.grace_period)

message(wait) := "terminationGracePeriodSeconds is not a number, so the API server rejects it" if {
	not is_number(prestop.grace_period)
} else := sprintf("the preStop hook waits %vs, but SIGKILL cuts it off after %vs", [wait, prestop.grace_period]) if {
	wait > prestop.grace_period
} else := sprintf(
	"the preStop hook waits %vs of %vs until SIGKILL, leaving less than %vs to shut down",
	[wait, prestop.grace_period, margin],
)

# METADATA
# title: The fix, a longer grace period
# description: >-
#   At most ten minutes, because a node drain waits for it too; beyond that, the hook should wait less. A period of 0
#   stays, because it means that the Pod is to be killed at once.
fix := {"fix": [{
	"op": "add",
	"path": concat("", ["/", replace(field, ".", "/")]),
	"value": longest + margin,
}]} if {
	is_number(prestop.grace_period)
	prestop.grace_period >= 1
	longest + margin <= 600
} else := {}

longest := ceil(max([wait | some wait in waits]))

field := concat(".", [input.workload.specPath, "terminationGracePeriodSeconds"])

margin := input.parameters.marginSeconds
