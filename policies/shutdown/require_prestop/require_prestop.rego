# METADATA
# title: Containers that serve wait before SIGTERM
# description: >-
#   SIGTERM is sent while the Pod is still being taken out of the endpoints, so every app container that opens a port, in
#   a workload that runs on, has a preStop hook that waits: the sleep action with at least one second, an exec of a
#   command, or an httpGet, whose answer the kubelet waits for. Any program is taken to wait but those known to return at
#   once: true, echo, exit, kill, pkill, touch, nginx -s, sleep 0 and the like. What runs in the background, what follows
#   exit, and what no shell or program takes for a command, as sh -c sleep 10, which sleeps for nothing, does not wait
#   either. Of curl or wget alone it is not known whether the answer comes at once, so that is a warning at most. The fix
#   is the sleep action, where there is no hook and terminationGracePeriodSeconds holds the wait and a margin, so that
#   shutdown-budget has nothing against it.
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
#         description: Names of ports that no client depends on. A container that opens no other needs no hook.
#       seconds:
#         type: integer
#         minimum: 1
#         maximum: 3600
#         default: 5
#         description: How long the hook waits that the fix adds.
#       marginSeconds:
#         type: integer
#         minimum: 0
#         maximum: 3600
#         default: 10
#         description: What that wait leaves of terminationGracePeriodSeconds, or there is no fix. No less than shutdown-budget's marginSeconds.
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

message(path) := "the preStop hook only sends a request, so SIGTERM comes as soon as that is answered" if {
	requests(path)
} else := "the preStop hook does not wait, so SIGTERM comes while requests still arrive" if {
	hooked(path)
} else := "there is no preStop hook, so SIGTERM comes while requests still arrive"

requests(path) if prestop.requests(input.containers[path].spec.lifecycle.preStop)

ceiling(path) := {"at_most": "warn"} if {
	requests(path)
} else := {}

hooked(path) if {
	hook := input.containers[path].spec.lifecycle.preStop
	not hook in [null, {}]
}

# METADATA
# title: What satisfies the policy
# description: Nothing is proposed over a hook that somebody wrote, nor where SIGKILL would come too early.
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
