package taffrail.resources.inject_resources_test

import data.taffrail.resources.inject_resources

defaults := {"fill": ["requests", "limits"], "requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"cpu": "250m", "memory": "768Mi"}}

full := {"requests": {"cpu": 100, "memory": 536870912}, "limits": {"cpu": 250, "memory": 805306368}}

none := {"requests": {}, "limits": {}}

all := {"requests.cpu", "requests.memory", "limits.cpu", "limits.memory"}

pod := having(none, all)

having(effective, missing) := {
	"origin": "mutating",
	"operation": "CREATE",
	"subresource": "",
	"kind": "Pod",
	"workload": {"longRunning": true},
	"containers": {
		"spec.initContainers[0]": {"name": "migrate", "resources": full},
		"spec.containers[0]": {"name": "web", "resources": effective},
	},
	"gaps": {field: {"spec.containers[0]": true} | some field in missing},
	"parameters": defaults,
}

giving(parameters) := object.union(pod, {"parameters": parameters})

fields[intent.field] := intent.value if some intent in inject_resources.inject

everything := {
	"resources.requests.cpu": "100m",
	"resources.requests.memory": "512Mi",
	"resources.limits.cpu": "250m",
	"resources.limits.memory": "768Mi",
}

test_all_gaps_are_filled if {
	fields == everything with input as pod
	{intent.container | some intent in inject_resources.inject} == {"web"} with input as pod
}

test_no_gap if count(inject_resources.inject) == 0 with input as having(full, [])

test_lists_are_missing[name] if {
	some name, effective in {"empty": {}, "null": {"requests": null, "limits": null}}
	fields == everything with input as having(effective, all)
}

test_one_gap[field] if {
	some field, value in everything
	[_, list, resource] := split(field, ".")
	effective := object.union(object.remove(full, [list]), {list: object.remove(full[list], [resource])})
	fields == {field: value} with input as having(effective, [concat(".", [list, resource])])
}

test_zero_is_somebodys_value if {
	fields == {} with input as having(object.union(full, {"requests": {"cpu": 0}}), ["requests.cpu"])
}

test_values_may_be_left_out if {
	fields == {
		"resources.requests.cpu": "100m",
		"resources.requests.memory": "512Mi",
		"resources.limits.memory": "768Mi",
	} with input as giving({"limits": {"cpu": ""}})
	fields == {} with input as giving({"requests": {"cpu": "", "memory": ""}, "limits": {"cpu": "", "memory": ""}})
}

test_requests_alone if {
	fields == {
		"resources.requests.cpu": "100m",
		"resources.requests.memory": "512Mi",
	} with input as giving({"fill": ["requests"]})
	fields == {} with input as giving({"fill": []})
}

test_other_gaps_are_left if {
	fields == {} with input as having(none, ["requests.ephemeral-storage", "limits.ephemeral-storage"])
}

test_each_container_for_itself if {
	request := object.union(object.remove(pod, ["containers", "gaps"]), {
		"containers": {
			"spec.initContainers[0]": {"name": "migrate", "resources": none},
			"spec.containers[0]": {"name": "web", "resources": none},
		},
		"gaps": {
			"requests.memory": {"spec.initContainers[0]": true},
			"limits.cpu": {"spec.initContainers[0]": true, "spec.containers[0]": true},
		},
	})
	found := {[intent.container, intent.field] | some intent in inject_resources.inject} with input as request
	found == {
		["migrate", "resources.requests.memory"],
		["migrate", "resources.limits.cpu"],
		["web", "resources.limits.cpu"],
	}
}

test_the_pod_as_a_whole[name] if {
	some name, set in {
		"request": {"resources": {"requests": {"cpu": 500}, "limits": {}}, "gaps": all - {"requests.cpu"}},
		"limit": {"resources": {"requests": {}, "limits": {"cpu": 500}}, "gaps": all - {"requests.cpu", "limits.cpu"}},
	}
	fields == {
		"resources.requests.memory": "512Mi",
		"resources.limits.memory": "768Mi",
	} with input as object.union(having(none, set.gaps), {"workload": {"resources": set.resources}})
}

test_the_pod_as_a_whole_sets_nothing[name] if {
	some name, set in {
		"empty": {},
		"null": null,
		"null lists": {"requests": null, "limits": null},
		"zero": {"requests": {"cpu": 0}, "limits": {}},
	}
	fields == everything with input as object.union(pod, {"workload": {"resources": set}})
}

test_a_container_without_a_name_cannot_be_filled if {
	request := object.union(pod, {"containers": {"spec.containers[0]": {"name": ""}}})
	count(inject_resources.inject) == 0 with input as request
}

test_pods_when_they_are_created[name] if {
	some name, expected in {
		"mutating": {"request": {"origin": "mutating"}, "count": 4},
		"manifest": {"request": {"origin": "manifest"}, "count": 4},
		"validating": {"request": {"origin": "validating"}, "count": 0},
		"live": {"request": {"origin": "live"}, "count": 0},
		"update": {"request": {"operation": "UPDATE"}, "count": 0},
		"resize": {"request": {"operation": "UPDATE", "subresource": "resize"}, "count": 0},
		"ephemeralcontainers": {"request": {"operation": "UPDATE", "subresource": "ephemeralcontainers"}, "count": 0},
		"subresource alone": {"request": {"subresource": "resize"}, "count": 0},
	}
	count(inject_resources.inject) == expected.count with input as object.union(pod, expected.request)
}

test_templates_always[name] if {
	some name, request in {
		"create": {"kind": "Deployment", "origin": "validating"},
		"update": {"kind": "StatefulSet", "origin": "validating", "operation": "UPDATE"},
		"mutating": {"kind": "DaemonSet"},
		"manifest": {"kind": "CronJob", "origin": "manifest"},
		"live": {"kind": "ReplicaSet", "origin": "live"},
	}
	fields == everything with input as object.union(pod, request)
}
