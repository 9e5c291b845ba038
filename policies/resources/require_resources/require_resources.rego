# METADATA
# title: Containers have requests and limits
# description: >-
#   Every app, init and sidecar container has requests and limits for CPU and memory: its own, those of the namespace's
#   LimitRange, or those of the Pod as a whole. Without requests, the scheduler overfills nodes; without limits, one
#   container can starve its neighbors. An amount of 0 does not count. Neither does an amount below 1 KiB if it is in
#   bytes (memory, ephemeral-storage, the sizeLimit of an emptyDir): m stands for thousandths, as in 100m of CPU, so
#   memory: 128m is 0.128 bytes. There is no fix: inject-resources fills in what is missing, and only the author knows
#   which unit was meant.
# custom:
#   id: require-resources
#   severity: high
#   section: 3.7.1
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
#   facts: [limitRanges]
#   parameters:
#     type: object
#     properties:
#       required:
#         type: array
#         items:
#           type: string
#           enum: [requests.cpu, requests.memory, limits.cpu, limits.memory]
#         default: [requests.cpu, requests.memory, limits.cpu, limits.memory]
#         description: What each container must have. CPU limits are sometimes left out on purpose, because they throttle.
package taffrail.resources.require_resources

import data.taffrail.lib.quantities

deny contains finding if {
	some field in input.parameters.required
	some path, _ in input.gaps[field]
	container := input.containers[path]
	about := fields[field]
	finding := {
		"msg": message(object.get(container.resources, [about.list, about.resource], null), about),
		"path": concat(".", [path, "resources", field]),
		"container": container.name,
	}
}

deny contains finding if {
	some path, container in input.containers
	container.type != "ephemeral"
	some field, given in amounts(container.spec.resources)
	wrong := quantities.too_few_bytes(field, given)
	finding := {
		"msg": wrong,
		"path": concat(".", [path, "resources", field]),
		"key": concat(".", [path, "resources", field, "bytes"]),
		"container": container.name,
	}
}

# The Pod as a whole.
deny contains finding if {
	some field, given in amounts(input.workload.pod.spec.resources)
	wrong := quantities.too_few_bytes(field, given)
	finding := {
		"msg": wrong,
		"path": concat(".", [input.workload.specPath, "resources", field]),
	}
}

deny contains finding if {
	some i, volume in input.workload.pod.spec.volumes
	wrong := quantities.too_few_bytes("sizeLimit", volume.emptyDir.sizeLimit)
	finding := {
		"msg": wrong,
		"path": sprintf("%s.volumes[%d].emptyDir.sizeLimit", [input.workload.specPath, i]),
	}
}

# METADATA
# title: The amounts that are in bytes
amounts(resources) := {field: given |
	some list in ["requests", "limits"]
	some resource in ["memory", "ephemeral-storage"]
	given := resources[list][resource]
	field := concat(".", [list, resource])
}

message(null, about) := sprintf("there is no %s, so %s", [about.words, about.consequence])

message(amount, about) := sprintf("the %s is %v, so %s", [about.words, amount, about.consequence]) if {
	amount != null
}

fields := {
	"requests.cpu": {
		"list": "requests",
		"resource": "cpu",
		"words": "CPU request",
		"consequence": "the scheduler reserves no CPU for the container",
	},
	"requests.memory": {
		"list": "requests",
		"resource": "memory",
		"words": "memory request",
		"consequence": "the scheduler reserves no memory for the container",
	},
	"limits.cpu": {
		"list": "limits",
		"resource": "cpu",
		"words": "CPU limit",
		"consequence": "the container may use all the CPU of its node",
	},
	"limits.memory": {
		"list": "limits",
		"resource": "memory",
		"words": "memory limit",
		"consequence": "the container may use all the memory of its node",
	},
}
