# METADATA
# title: Serving containers have a preStop hook that waits
# description: >-
#   A container receives SIGTERM while its Pod is still being removed from the endpoints. So in a long-running workload,
#   every app container that opens a port has a preStop hook that waits: the sleep action with at least one second, an
#   exec of a command, or an httpGet (the kubelet waits for its answer). Any program is assumed to wait, except those
#   that are known to return at once: true, echo, exit, kill, pkill, touch, nginx -s, sleep 0 and the like. Commands in
#   the background, commands after exit, and words that no shell or program runs as a command do not wait either: sh -c
#   sleep 10, for example, does not sleep for 10 seconds. If the hook runs only curl or wget, it is not known whether
#   the answer comes at once, so this is a warning at most. The fix adds the sleep action if there is no hook and
#   terminationGracePeriodSeconds has room for the wait and a margin, so that shutdown-budget does not object.
# custom:
#   id: require-prestop
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
#   remediation: "Add a preStop hook that waits, for example lifecycle: {preStop: {sleep: {seconds: 5}}}."
#   parameters:
#     type: object
#     properties:
#       ignoredPorts:
#         type: array
#         items: {type: string, minLength: 1}
#         default: [metrics, http-metrics]
#         description: Names of ports that no client depends on. A container that opens no other port needs no hook.
#       seconds:
#         type: integer
#         minimum: 1
#         maximum: 3600
#         default: 5
#         description: The number of seconds that the hook of the fix waits.
#       marginSeconds:
#         type: integer
#         minimum: 0
#         maximum: 3600
#         default: 10
#         description: The number of seconds that this wait must leave of terminationGracePeriodSeconds, or there is no fix. Not less than shutdown-budget's marginSeconds.
package taffrail.shutdown.require_prestop

import data.taffrail.lib.prestop
import future.keywords.not

deny contains object.union(finding, object.union(fix(path), ceiling(path))) if {
	input.workload.longRunning
	some path, container in input.containers
	container.type == "app"
	serves(path)
	not prestop.waits(container.spec.lifecycle.preStop)
	finding := {
		"msg": message(path),
		"path": concat("", [container.path, ".lifecycle.preStop"]),
		"container": container.name,
	}
}

serves(path) if {
	some port in input.containers[path].spec.ports
	not port.name in input.parameters.ignoredPorts
}

message(path) := "the preStop hook only sends a request, so SIGTERM follows as soon as it is answered" if {
	requests(path)
} else := "the preStop hook does not wait, so the container is still sent requests after SIGTERM" if {
	hooked(path)
} else := "there is no preStop hook, so the container is still sent requests after SIGTERM"

requests(path) if prestop.requests(input.containers[path].spec.lifecycle.preStop)

ceiling(path) := {"at_most": "warn"} if {
	requests(path)
} else := {}

hooked(path) if {
	hook := input.containers[path].spec.lifecycle.preStop
	not hook in [null, {}]
}

# METADATA
# title: The fix
# description: It never replaces an existing hook, and never adds a wait that SIGKILL would cut off.
fix(path) := {"fix": [operation]} if {
	not hooked(path)
	is_number(prestop.grace_period)
	prestop.grace_period >= seconds + input.parameters.marginSeconds
	operation := addition(
		input.containers[path].pointer,
		object.get(input.containers[path].spec, "lifecycle", null),
	)
} else := {}

addition(pointer, lifecycle) := {
	"op": "add",
	"path": concat("", [pointer, "/lifecycle"]),
	"value": {"preStop": {"sleep": {"seconds": seconds}}},
} if {
	lifecycle == null
} else := {
	"op": "add",
	"path": concat("", [pointer, "/lifecycle/preStop"]),
	"value": {"sleep": {"seconds": seconds}},
} if {
	is_object(lifecycle)
}

seconds := input.parameters.seconds
