# METADATA
# title: Limits stay close to requests
# description: >-
#   The scheduler places Pods by their requests, so what limits allow beyond them is overcommitted: the limits on a
#   fully booked node can add up to several times its capacity. Every app, init and sidecar container of a workload, and
#   the Pod as a whole if it sets resources, keeps each limit within a multiple of its request, after API defaults and
#   the namespace's LimitRange. The parameter minimum sets a lower bound for the multiple, too: a limit close to its
#   request leaves nodes idle between peaks. The chapter gives no number; its own Deployments use up to 2.5 for CPU and
#   1.5 for memory. The defaults leave room above them, with less for memory: a node that is short of CPU slows its Pods
#   down, while a node that is short of memory kills some. A missing request or limit, or a limit of 0, is reported by
#   require-resources instead. A request of 0 with a limit is reported, because no multiple of it is enough. There is no
#   fix: only the author knows which of the two is wrong.
# custom:
#   id: limit-request-ratio
#   severity: medium
#   section: 3.7.2
#   kinds:
#   - Pod
#   - Deployment.apps
#   - StatefulSet.apps
#   - DaemonSet.apps
#   - ReplicaSet.apps
#   - ReplicationController
#   - Job.batch
#   - CronJob.batch
#   default_mode: warn
#   remediation: "Raise the request to what the container usually needs, or lower the limit, for example resources: {requests: {cpu: 250m}, limits: {cpu: 1}}."
#   facts: [limitRanges]
#   parameters:
#     type: object
#     properties:
#       maximum:
#         type: object
#         additionalProperties: false
#         default: {}
#         description: The highest multiple of its request that a limit may be.
#         properties:
#           cpu:
#             type: number
#             minimum: 0
#             default: 4
#             description: The maximum for CPU, or 0 for none.
#           memory:
#             type: number
#             minimum: 0
#             default: 2
#             description: The maximum for memory, or 0 for none.
#       minimum:
#         type: object
#         additionalProperties: false
#         default: {}
#         description: The lowest multiple of its request that a limit may be.
#         properties:
#           cpu:
#             type: number
#             minimum: 0
#             default: 0
#             description: The minimum for CPU, or 0 for none.
#           memory:
#             type: number
#             minimum: 0
#             default: 0
#             description: The minimum for memory, or 0 for none.
package taffrail.resources.limit_request_ratio

import future.keywords.not

deny contains object.union(finding, {"container": container.name}) if {
	some resource, most in input.parameters.maximum
	most > 0
	some path, container in input.containers
	container.resources.limits[resource] > container.resources.requests[resource] * most
	finding := too_far(path, resource, container.resources)
}

deny contains object.union(finding, {"container": container.name}) if {
	some resource, least in input.parameters.minimum
	least > 0
	some path, container in input.containers
	container.resources.limits[resource] < container.resources.requests[resource] * least
	finding := too_near(path, resource, container.resources)
}

# The Pod as a whole.
deny contains finding if {
	resources := input.workload.resources
	some resource, most in input.parameters.maximum
	most > 0
	resources.limits[resource] > resources.requests[resource] * most
	finding := too_far(input.workload.specPath, resource, resources)
}

deny contains finding if {
	resources := input.workload.resources
	some resource, least in input.parameters.minimum
	least > 0
	resources.limits[resource] < resources.requests[resource] * least
	finding := too_near(input.workload.specPath, resource, resources)
}

too_far(path, resource, resources) := {
	"msg": sprintf("requests.%s is 0 and limits.%s is %s, so all of it is overcommitted", [
		resource, resource,
		amount(resource, resources.limits[resource]),
	]),
	"path": concat(".", [path, "resources.requests", resource]),
	"key": concat(" ", [resource, "maximum"]),
} if {
	resources.requests[resource] == 0
} else := {
	"msg": message(resource, resources, ceil(percent(resource, resources)), ["more than", input.parameters.maximum[resource]]),
	"path": concat(".", [path, "resources.limits", resource]),
	"key": concat(" ", [resource, "maximum"]),
	"excess": (resources.limits[resource] / resources.requests[resource]) - input.parameters.maximum[resource],
}

# A limit of 0 means that there is none.
too_near(path, resource, resources) := {
	"msg": message(resource, resources, floor(percent(resource, resources)), ["less than", input.parameters.minimum[resource]]),
	"path": concat(".", [path, "resources.limits", resource]),
	"key": concat(" ", [resource, "minimum"]),
	"excess": input.parameters.minimum[resource] - (resources.limits[resource] / resources.requests[resource]),
} if {
	resources.limits[resource] > 0
}

percent(resource, resources) := (100 * resources.limits[resource]) / resources.requests[resource]

message(resource, resources, hundredths, [words, bound]) := sprintf("limits.%s is %v times requests.%s (%s / %s), %s %v", [
	resource, hundredths / 100, resource,
	amount(resource, resources.limits[resource]), amount(resource, resources.requests[resource]),
	words, bound,
])

# METADATA
# title: An amount in the largest unit that divides it
amount(resource, number) := [text |
	some [size, suffix] in units[resource]
	number % size == 0
	text := sprintf("%v%s", [number / size, suffix])
][0]

units := {
	"cpu": [[1000, ""], [1, "m"]],
	"memory": [
		[1099511627776, "Ti"], [1000000000000, "T"],
		[1073741824, "Gi"], [1000000000, "G"],
		[1048576, "Mi"], [1000000, "M"],
		[1024, "Ki"], [1000, "k"],
		[1, ""],
	],
}
