package taffrail.resources.require_resources_test

import data.taffrail.resources.require_resources
import future.keywords.not

all := ["requests.cpu", "requests.memory", "limits.cpu", "limits.memory"]

full := {"requests": {"cpu": 100, "memory": 536870912}, "limits": {"cpu": 250, "memory": 805306368}}

none := {"requests": {}, "limits": {}}

review(type, effective, required) := {
	"workload": {"longRunning": true},
	"containers": {"spec.containers[0]": {
		"name": "web",
		"type": type,
		"path": "spec.containers[0]",
		"spec": {},
		"resources": effective,
	}},
	"parameters": {"require-resources": {"required": required}},
}

with_pod(request, pod) := object.union(request, {"workload": {"resources": pod}})

paths contains finding.path if some finding in require_resources.deny

messages contains finding.msg if some finding in require_resources.deny

all_paths := {concat(".", ["spec.containers[0].resources", field]) | some field in all}

test_everything_is_there if count(require_resources.deny) == 0 with input as review("app", full, all)

test_nothing_is_there if {
	paths == all_paths with input as review("app", none, all)
	messages == {
		"there is no CPU request, so the scheduler keeps no CPU free for the container",
		"there is no memory request, so the scheduler keeps no memory free for the container",
		"there is no CPU limit, so the container may use all CPU of its node",
		"there is no memory limit, so the container may use all memory of its node",
	} with input as review("app", none, all)
}

test_lists_are_missing[name] if {
	some name, effective in {"empty": {}, "null": {"requests": null, "limits": null}}
	paths == all_paths with input as review("app", effective, all)
}

test_one_is_missing[field] if {
	some field in all
	[list, resource] := split(field, ".")
	effective := object.union(object.remove(full, [list]), {list: object.remove(full[list], [resource])})
	paths == {concat(".", ["spec.containers[0].resources", field])} with input as review("app", effective, all)
}

test_zero_is_none if {
	zero := object.union(full, {"limits": {"memory": 0}})
	messages == {"the memory limit is 0, which is none, so the container may use all memory of its node"} with input as review("app", zero, all)
}

test_a_negative_amount_is_none if {
	negative := object.union(full, {"requests": {"cpu": -100}})
	paths == {"spec.containers[0].resources.requests.cpu"} with input as review("app", negative, all)
}

test_types[type] if {
	some type, expected in {"app": 4, "init": 4, "sidecar": 4, "ephemeral": 0}
	count(require_resources.deny) == expected with input as review(type, none, all)
}

test_only_what_is_required[name] if {
	some name, required in {"none": [], "one": ["limits.memory"], "two": ["requests.cpu", "requests.memory"], "all": all}
	expected := {concat(".", ["spec.containers[0].resources", field]) | some field in required}
	paths == expected with input as review("app", none, required)
}

test_the_pod_as_a_whole if {
	bare := review("app", none, all)
	count(require_resources.deny) == 0 with input as with_pod(bare, full)
	count(require_resources.deny) == 0 with input as with_pod(bare, {"requests": {}, "limits": full.limits})
	paths == {"spec.containers[0].resources.limits.cpu", "spec.containers[0].resources.limits.memory"} with input as with_pod(
		bare,
		{"requests": full.requests, "limits": {}},
	)
	count(paths) == 4 with input as with_pod(bare, {})
	count(paths) == 4 with input as with_pod(bare, null)
}
