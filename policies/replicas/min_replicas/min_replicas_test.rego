package taffrail.replicas.min_replicas_test

import data.taffrail.replicas.min_replicas
import future.keywords.not

review(kind, spec, minimum) := {
	"kind": kind,
	"object": {"spec": spec},
	"parameters": {"minimum": minimum},
}

replicas(number) := review("Deployment", {"replicas": number}, 2)

autoscaled(number, least) := object.union(
	replicas(number),
	{"workload": {"autoscaler": {"name": "web", "minReplicas": least, "maxReplicas": 10}}},
)

messages contains finding.msg if some finding in min_replicas.deny

test_one if {
	min_replicas.deny == {{
		"msg": "there is only 1 replica, so none is left while its node is drained",
		"path": "spec.replicas",
		"excess": 1,
	}} with input as replicas(1)
}

test_enough[number] if {
	some number in [2, 3, 100]
	count(min_replicas.deny) == 0 with input as replicas(number)
}

test_scaled_to_zero if {
	count(min_replicas.deny) == 0 with input as replicas(0)
	count(min_replicas.deny) == 0 with input as autoscaled(0, 1)
}

test_minimum_is_a_parameter if {
	count(min_replicas.deny) == 0 with input as review("Deployment", {"replicas": 1}, 1)
	messages == {"there are 2 replicas, fewer than 3"} with input as review("StatefulSet", {"replicas": 2}, 3)
}

test_no_number[name] if {
	some name, value in {"text": "3", "null": null, "list": [3], "false": false}
	messages == {"replicas is not a number"} with input as replicas(value)
}

test_negative if {
	messages == {"there are -1 replicas, fewer than 2"} with input as replicas(-1)
}

test_no_spec_is_defaulted if {
	messages == {"there is only 1 replica, so none is left while its node is drained"} with input as {
		"kind": "Deployment",
		"object": {},
		"parameters": {"minimum": 2},
	}
}

test_autoscaler_decides if {
	count(min_replicas.deny) == 0 with input as autoscaled(1, 2)
	count(min_replicas.deny) == 0 with input as autoscaled(null, 2)
	min_replicas.deny == {{
		"msg": "HorizontalPodAutoscaler web may scale down to 1 replica, fewer than 2",
		"path": "spec.replicas",
		"excess": 1,
	}} with input as autoscaled(3, 1)
	messages == {"HorizontalPodAutoscaler web may scale down to 0 replicas, fewer than 2"} with input as autoscaled(3, 0)
}
