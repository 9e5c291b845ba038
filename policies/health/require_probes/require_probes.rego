# METADATA
# title: Containers have probes
# description: >-
#   In a long-running workload, every app container and sidecar has a readinessProbe, so that it gets no traffic before
#   it can answer, and a livenessProbe, so that it is restarted when it hangs. A probe without a handler (httpGet,
#   tcpSocket, exec or grpc) does not count. Init and ephemeral containers cannot have probes, and Pods that run to
#   completion need none. There is no fix: only the author knows which path or port shows whether the container is
#   healthy.
# custom:
#   id: require-probes
#   severity: high
#   section: 3.5.1, 3.5.2
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
#   remediation: "Add the probe with httpGet, tcpSocket, exec or grpc, for example readinessProbe: {httpGet: {path: /healthz, port: 8080}}."
#   parameters:
#     type: object
#     properties:
#       probes:
#         type: array
#         items:
#           type: string
#           enum: [readinessProbe, livenessProbe, startupProbe]
#         default: [readinessProbe, livenessProbe]
#         description: The probes that each container must have.
package taffrail.health.require_probes

import future.keywords.not

deny contains finding if {
	input.workload.longRunning
	some container in input.containers
	container.type in {"app", "sidecar"}
	some probe in input.parameters.probes
	not is_object(container.spec[probe].httpGet)
	not is_object(container.spec[probe].tcpSocket)
	not is_object(container.spec[probe].exec)
	not is_object(container.spec[probe].grpc)
	finding := {
		"msg": message(object.get(container.spec, probe, null), probe),
		"path": concat(".", [container.path, probe]),
		"container": container.name,
	}
}

message(null, probe) := sprintf("there is no %s, so %s", [probe, consequences[probe]])

message(present, probe) := sprintf("the %s has no handler, so %s", [probe, consequences[probe]]) if present != null

consequences := {
	"readinessProbe": "the container gets traffic before it can answer",
	"livenessProbe": "the container is not restarted when it hangs",
	"startupProbe": "a slow start can be mistaken for a failure",
}
