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
	"parameters": {"require-resources": {"required": required}},
}

paths contains finding.path if some finding in require_resources.deny

messages contains finding.msg if some finding in require_resources.deny

all_paths := {concat(".", ["spec.containers[0].resources", field]) | some field in all}

test_everything_is_there if count(require_resources.deny) == 0 with input as review(full, [], all)

test_nothing_is_there if {
	paths == all_paths with input as review(none, all, all)
	messages == {
		"there is no CPU request, so the scheduler keeps no CPU free for the container",
		"there is no memory request, so the scheduler keeps no memory free for the container",
		"there is no CPU limit, so the container may use all CPU of its node",
		"there is no memory limit, so the container may use all memory of its node",
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
	messages == {"the memory limit is 0, so the container may use all memory of its node"} with input as review(
		zero,
		["limits.memory"],
		all,
	)
}

test_a_negative_amount_is_none if {
	negative := object.union(full, {"requests": {"cpu": -100}})
	messages == {"the CPU request is -100, so the scheduler keeps no CPU free for the container"} with input as review(
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
	"containers": {"spec.containers[0]": {"name": "web", "spec": {"resources": resources}, "resources": full}},
	"gaps": {},
	"parameters": {"require-resources": {"required": all}},
}

test_thousandths_of_a_byte if {
	require_resources.deny == {{
		"msg": "limits.memory is 128m, which is 0.128 byte: write a unit of bytes, such as 128Mi",
		"path": "spec.containers[0].resources.limits.memory",
		"key": "spec.containers[0].resources.limits.memory.bytes",
		"container": "web",
	}} with input as sized({"requests": {"memory": "128Mi", "cpu": "100m"}, "limits": {"memory": "128m", "cpu": "250m"}})
}

test_amounts_of_bytes[amount] if {
	some amount, expected in {
		"128m": "0.128 byte: write a unit of bytes, such as 128Mi",
		"1500m": "1.5 bytes: write a unit of bytes, such as 1500Mi",
		"1000m": "1 byte: write a unit of bytes, such as 1000Mi",
		"0.5": "0.5 byte: write a unit of bytes, such as 0.5Gi",
		".5": "0.5 byte: write a unit of bytes, such as .5Gi",
		"512": "512 bytes: write a unit of bytes, such as 512Mi",
		"100u": "0.0001 byte: write a unit of bytes, such as 100Mi",
	}
	messages == {sprintf("requests.ephemeral-storage is %s, which is %s", [amount, expected])} with input as sized({"requests": {"ephemeral-storage": amount}})
}

test_a_number_without_quotes if {
	messages == {"requests.memory is 128, which is 128 bytes: write a unit of bytes, such as 128Mi"} with input as sized({"requests": {"memory": 128}})
}

test_enough_bytes[name] if {
	some name, amount in {
		"a unit": "128Mi",
		"another unit": "1k",
		"an exponent": "129e6",
		"many thousandths": "128974848000m",
		"1 KiB": "1024",
		"a number": 134217728,
		"nothing": "0",
		"nothing in thousandths": "0m",
		"empty": "",
		"a point": ".",
		"negative": "-1",
		"null": null,
		"false": false,
		"a list": [],
	}
	messages == set() with input as sized({"requests": {"memory": amount}})
}
