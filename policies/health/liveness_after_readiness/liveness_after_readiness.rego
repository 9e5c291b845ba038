# METADATA
# title: Liveness waits for readiness
# description: >-
#   A livenessProbe must not restart a container that is still starting, or it never stops starting. Every app container
#   and sidecar of a workload that runs on and has both probes has a startupProbe, which holds the others back, or its
#   livenessProbe can fail for good (initialDelaySeconds + periodSeconds × (failureThreshold − 1)) only later than its
#   readinessProbe can succeed (initialDelaySeconds + periodSeconds × (successThreshold − 1)); at the same second is not
#   later. By parameter the plain initialDelaySeconds must be later, too. Where a probe is missing, require-probes says
#   so. A probe's own terminationGracePeriodSeconds changes nothing about when it fails. The fix raises the
#   livenessProbe's initialDelaySeconds, to ten minutes at most: until then, nothing restarts a container that hangs.
# custom:
#   id: liveness-after-readiness
#   severity: high
#   section: 3.5.2
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
#   remediation: "Add a startupProbe, for example startupProbe: {httpGet: {path: /healthz, port: 8080}, failureThreshold: 30}, or raise livenessProbe.initialDelaySeconds."
#   parameters:
#     type: object
#     properties:
#       initialDelays:
#         type: boolean
#         default: false
#         description: Whether the livenessProbe's plain initialDelaySeconds must be later than the readinessProbe's, too.
package taffrail.health.liveness_after_readiness

import future.keywords.not

deny contains object.union(finding, details(path)) if {
	input.workload.longRunning
	some path, container in input.containers
	container.type in {"app", "sidecar"}
	not path in late
	handled(path, "livenessProbe")
	handled(path, "readinessProbe")
	not handled(path, "startupProbe")
	finding := {
		"path": concat(".", [path, "livenessProbe.initialDelaySeconds"]),
		"container": container.name,
	}
}

handled(path, probe) if {
	some handler in ["httpGet", "tcpSocket", "exec", "grpc"]
	is_object(input.containers[path].spec[probe][handler])
}

# METADATA
# title: Containers whose livenessProbe leaves them time to start
# description: A complete rule, which is evaluated once and not once for each container.
late := {path | some path in fails_late; times[path][0] > times[path][2]} if {
	strict
} else := fails_late

fails_late := {path |
	some path, [begins, patience, awaited, steadies] in times
	begins + patience > awaited + steadies
}

strict if input.parameters.initialDelays

# METADATA
# title: Seconds of both probes
# description: >-
#   When the livenessProbe begins and how long it then takes to fail for good, when the readinessProbe begins and how
#   long it takes to succeed. Without an entry where one is no number, which the API server refuses.
times := {path: [begins, period * (failures - 1), awaited, interval * (successes - 1)] |
	some path, container in input.containers
	liveness := container.spec.livenessProbe
	is_object(liveness)
	readiness := container.spec.readinessProbe
	is_object(readiness)
	begins := object.get(liveness, "initialDelaySeconds", 0)
	is_number(begins)
	period := object.get(liveness, "periodSeconds", 10)
	is_number(period)
	failures := object.get(liveness, "failureThreshold", 3)
	is_number(failures)
	awaited := object.get(readiness, "initialDelaySeconds", 0)
	is_number(awaited)
	interval := object.get(readiness, "periodSeconds", 10)
	is_number(interval)
	successes := object.get(readiness, "successThreshold", 1)
	is_number(successes)
}

details(path) := object.union(
	{
		"msg": message(times[path]),
		"excess": enough(times[path]) - times[path][0],
	},
	fix(path),
) if {
	times[path]
} else := {"msg": "a probe's time is not a number, so the API server refuses it"}

# METADATA
# title: A later livenessProbe
# description: Nobody wants a container that hangs to be left alone for longer, so there the readinessProbe is to be looked at.
fix(path) := {"fix": [{
	"op": "add",
	"path": concat("/", [input.containers[path].pointer, "livenessProbe/initialDelaySeconds"]),
	"value": enough(times[path]),
}]} if {
	enough(times[path]) <= 600
} else := {}

message([begins, patience, awaited, steadies]) := sprintf(
	"the livenessProbe can restart it after %vs, but it is ready after %vs at best",
	[begins + patience, awaited + steadies],
) if {
	begins + patience <= awaited + steadies
} else := sprintf("the livenessProbe begins after %vs, no later than the readinessProbe's %vs", [begins, awaited])

enough([_, patience, awaited, steadies]) := 1 + max(array.concat(
	[(awaited + steadies) - patience],
	[awaited | strict],
))
