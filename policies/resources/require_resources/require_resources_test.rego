package taffrail.resources.require_resources_test

import data.taffrail.resources.require_resources

all := ["requests.cpu", "requests.memory", "limits.cpu", "limits.memory"]

full := {"requests": {"cpu": 100, "memory": 536870912}, "limits": {"cpu": 250, "memory": 805306368}}

none := {"requests": {}, "limits": {}}

review(effective, missing, required) := {
	"containers": {
		"spec.initContainers[0]": {"name": "migrate", "resources": full},
		"spec.containers[0]": {"name": "web", "resources": effective},
	},
	"gaps": {field: {"spec.containers[0]": true} | some field in missing},
	"parameters": {"required": required},
}

paths contains finding.path if some finding in require_resources.deny

messages contains finding.msg if some finding in require_resources.deny

all_paths := {concat(".", ["spec.containers[0].resources", field]) | some field in all}

test_everything_is_there if count(require_resources.deny) == 0 with input as review(full, [], all)

test_nothing_is_there if {
	paths == all_paths with input as review(none, all, all)
	messages == {
		"there is no CPU request, so the scheduler reserves no CPU for the container",
		"there is no memory request, so the scheduler reserves no memory for the container",
		"there is no CPU limit, so the container may use all the CPU of its node",
		"there is no memory limit, so the container may use all the memory of its node",
	} with input as review(none, all, all)
	{finding.container | some finding in require_resources.deny} == {"web"} with input as review(none, all, all)
}

test_lists_are_missing[name] if {
	some name, effective in {"empty": {}, "null": {"requests": null, "limits": null}}
	paths == all_paths with input as review(effective, all, all)
}

test_one_is_missing[field] if {
	some field in all
	[list, resource] := split(field, ".")
	effective := object.union(object.remove(full, [list]), {list: object.remove(full[list], [resource])})
	paths == {concat(".", ["spec.containers[0].resources", field])} with input as review(effective, [field], all)
}

test_zero_is_none if {
	zero := object.union(full, {"limits": {"memory": 0}})
	messages == {"the memory limit is 0, so the container may use all the memory of its node"} with input as review(
		zero,
		["limits.memory"],
		all,
	)
}

test_a_negative_amount_is_none if {
	negative := object.union(full, {"requests": {"cpu": -100}})
	messages == {"the CPU request is -100, so the scheduler reserves no CPU for the container"} with input as review(
		negative,
		["requests.cpu"],
		all,
	)
}

test_each_container_for_itself if {
	gaps := {
		"limits.cpu": {"spec.initContainers[0]": true, "spec.containers[0]": true},
		"limits.memory": {"spec.initContainers[0]": true},
	}
	found := {[finding.container, finding.path] | some finding in require_resources.deny} with input as object.union(
		review(none, [], all),
		{"gaps": gaps},
	)
	found == {
		["migrate", "spec.initContainers[0].resources.limits.cpu"],
		["migrate", "spec.initContainers[0].resources.limits.memory"],
		["web", "spec.containers[0].resources.limits.cpu"],
	}
}

test_only_what_is_required[name] if {
	some name, required in {"none": [], "one": ["limits.memory"], "two": ["requests.cpu", "requests.memory"], "all": all}
	expected := {concat(".", ["spec.containers[0].resources", field]) | some field in required}
	paths == expected with input as review(none, array.concat(all, ["requests.ephemeral-storage"]), required)
}

sized(resources) := {
	"containers": {"spec.containers[0]": {"name": "web", "type": "app", "spec": {"resources": resources}, "resources": full}},
	"gaps": {},
	"parameters": {"required": all},
}

test_thousandths_of_a_byte if {
	require_resources.deny == {{
		"msg": "limits.memory is 128m, which is 0.128 bytes: use a unit such as 128Mi",
		"path": "spec.containers[0].resources.limits.memory",
		"key": "spec.containers[0].resources.limits.memory.bytes",
		"container": "web",
	}} with input as sized({"requests": {"memory": "128Mi", "cpu": "100m"}, "limits": {"memory": "128m", "cpu": "250m"}})
}

test_enough_bytes if {
	messages == set() with input as sized({"requests": {"memory": "128Mi", "cpu": "100m"}, "limits": {"memory": "129e6"}})
}

test_of_the_pod_as_a_whole if {
	require_resources.deny == {
		{
			"msg": "limits.ephemeral-storage is 1m, which is 0.001 bytes: use a unit such as 1Mi",
			"path": "spec.resources.limits.ephemeral-storage",
		},
		{
			"msg": "sizeLimit is 2m, which is 0.002 bytes: use a unit such as 2Mi",
			"path": "spec.volumes[1].emptyDir.sizeLimit",
		},
	} with input as object.union(sized({}), {"workload": {"specPath": "spec", "pod": {"spec": {
		"resources": {"limits": {"ephemeral-storage": "1m"}},
		"volumes": [{"emptyDir": {"sizeLimit": "64Mi"}}, {"emptyDir": {"sizeLimit": "2m"}}],
	}}}})
}
