package taffrail.lib.resources_test

import data.taffrail.lib.resources
import future.keywords.not

pod(set) := {"workload": {"resources": set}}

test_a_request_is_a_request_only if {
	resources.pod_sets("requests", "cpu") with input as pod({"requests": {"cpu": 100}, "limits": {}})
	not resources.pod_sets("limits", "cpu") with input as pod({"requests": {"cpu": 100}, "limits": {}})
}

test_a_limit_is_both if {
	resources.pod_sets("requests", "memory") with input as pod({"requests": {}, "limits": {"memory": 1024}})
	resources.pod_sets("limits", "memory") with input as pod({"requests": {}, "limits": {"memory": 1024}})
}

test_the_other_resource_is_not_set if {
	not resources.pod_sets("limits", "cpu") with input as pod({"requests": {}, "limits": {"memory": 1024}})
}

test_nothing_is_set if {
	every odd in [{}, {"workload": {}}, pod({}), pod(null), pod({"requests": null, "limits": null}), pod({"limits": {"cpu": 0}})] {
		not resources.pod_sets("requests", "cpu") with input as odd
		not resources.pod_sets("limits", "cpu") with input as odd
	}
}
