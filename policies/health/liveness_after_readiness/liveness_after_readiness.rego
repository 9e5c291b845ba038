# METADATA
# title: Liveness probes wait for readiness
# description: >-
#   A livenessProbe must not restart a container that is still starting; otherwise, the container may never finish
#   starting. In a long-running workload, every app container and sidecar with both probes must have a startupProbe,
#   which holds back the other two, or a livenessProbe whose first restart (initialDelaySeconds + periodSeconds ×
#   (failureThreshold − 1)) comes later, by at least one second, than the first possible success of its readinessProbe
#   (initialDelaySeconds + periodSeconds × (successThreshold − 1)). With the parameter initialDelays, the
#   livenessProbe's initialDelaySeconds must also be greater than the readinessProbe's. A missing probe is reported by
#   require-probes. A probe's own terminationGracePeriodSeconds makes no difference. The fix raises the livenessProbe's
#   initialDelaySeconds, to ten minutes at most, because until then nothing restarts a container that hangs.
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
#         description: Whether the livenessProbe's initialDelaySeconds alone must also be greater than the readinessProbe's.
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
# description: A complete rule, so that it is evaluated once and not for each container.
late := {path | some path in fails_late; times[path][0] > times[path][2]} if {
	strict
} else := fails_late

fails_late := {path |
	some path, [begins, patience, awaited, steadies] in times
	begins + patience > awaited + steadies
}

strict if input.parameters.initialDelays

# METADATA
# title: The times of both probes, in seconds
# description: >-
#   When the livenessProbe starts and how long it then takes to fail, and when the readinessProbe starts and how long it
#   takes to succeed. There is no entry if one of them is not a number, which the API server rejects.
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
} else := {"msg": "a probe has a time that is not a number, so the API server rejects it"}

# METADATA
# title: The fix
# description: >-
#   A container that hangs should not be left alone for longer, so beyond this delay the readinessProbe has to change
#   instead.
fix(path) := {"fix": [{
	"op": "add",
	"path": concat("/", [input.containers[path].pointer, "livenessProbe/initialDelaySeconds"]),
	"value": enough(times[path]),
}]} if {
	enough(times[path]) <= 600
} else := {}

message([begins, patience, awaited, steadies]) := sprintf(
	"its livenessProbe can restart it after %vs, but readiness takes at least %vs",
	[begins + patience, awaited + steadies],
) if {
	begins + patience <= awaited + steadies
} else := sprintf("initialDelaySeconds is %v, but must be greater than the readinessProbe's %v", [begins, awaited])

enough([_, patience, awaited, steadies]) := 1 + max(array.concat(
	[(awaited + steadies) - patience],
	[awaited | strict],
))
