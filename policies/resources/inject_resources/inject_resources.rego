# METADATA
# title: Missing requests and limits are filled in
# description: >-
#   If neither a container, nor the namespace's LimitRange, nor the Pod as a whole sets a request or a limit for CPU or
#   memory, Pods get the value given here when they are created. Nothing that is set is changed, and the value stays
#   within the LimitRange's bounds. The defaults are those of the chapter's own Deployments: a small web application
#   that may burst to two and a half times its CPU and one and a half times its memory. A Guardrail with existing:
#   tolerate leaves alone the Pods of templates that are older than its enforcement, because a limit that nobody
#   requested can kill what has run without one.
# custom:
#   id: inject-resources
#   severity: medium
#   section: 3.7.1, 3.7.3
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
#   remediation: "Set what the container needs, for example resources: {requests: {cpu: 100m, memory: 512Mi}, limits: {cpu: 250m, memory: 768Mi}}, or give the namespace a LimitRange with defaults."
#   facts: [limitRanges, resourceQuotas]
#   parameters:
#     type: object
#     properties:
#       fill:
#         type: array
#         items:
#           type: string
#           enum: [requests, limits]
#         default: [requests, limits]
#         description: What to fill in. With [requests] alone, no container gets a limit.
#       requests:
#         type: object
#         additionalProperties: false
#         default: {}
#         description: The requests to fill in.
#         properties:
#           cpu:
#             type: string
#             format: quantity
#             default: 100m
#             description: The CPU request, or "" for none.
#           memory:
#             type: string
#             format: quantity
#             default: 512Mi
#             description: The memory request, or "" for none.
#       limits:
#         type: object
#         additionalProperties: false
#         default: {}
#         description: The limits to fill in.
#         properties:
#           cpu:
#             type: string
#             format: quantity
#             default: 250m
#             description: The CPU limit, or "" for none.
#           memory:
#             type: string
#             format: quantity
#             default: 768Mi
#             description: The memory limit, or "" for none.
package taffrail.resources.inject_resources

import future.keywords.not

inject contains intent if {
	some list in input.parameters.fill
	some resource, value in input.parameters[list]
	value != ""
	some path, _ in input.gaps[concat(".", [list, resource])]
	fillable
	not input.workload.resources.requests[resource] > 0 # with one, no limit is filled in either
	container := input.containers[path]
	not container.resources[list][resource] # 0 is a value too
	container.name != "" # without a name it cannot be identified
	intent := {
		"container": container.name,
		"field": concat(".", ["resources", list, resource]),
		"value": value,
	}
}

# METADATA
# title: Values can still be filled in
# description: >-
#   The resources of a Pod are set when it is created and, except by a resize, never again. A Pod that is being
#   validated or is running keeps its gaps, so that require-resources still reports them. The Pods of a template are
#   filled in later, wherever the template is.
fillable if input.kind != "Pod"

fillable if {
	input.operation == "CREATE"
	input.subresource == ""
	input.origin in {"mutating", "manifest"}
}
