package taffrail.namespaces.namespace_limits_test

import data.taffrail.namespaces.namespace_limits

review(fields) := object.union(
	{
		"origin": "live",
		"operation": "CREATE",
		"name": "shop",
		"object": {"metadata": {"name": "shop"}},
		"namespace": {"name": "", "limitRanges": [], "resourceQuotas": []},
		"parameters": {"exempt": ["default", "kube-*"]},
	},
	fields,
)

keys contains finding.key if some finding in namespace_limits.deny

test_neither if {
	namespace_limits.deny == {
		{
			"msg": "the namespace has no LimitRange, so a container without requests and limits may use a whole node",
			"path": "metadata.name",
			"key": "LimitRange",
		},
		{
			"msg": "the namespace has no ResourceQuota, so its Pods may use the whole cluster",
			"path": "metadata.name",
			"key": "ResourceQuota",
		},
	} with input as review({})
}

test_one if {
	keys == {"ResourceQuota"} with input as review({"namespace": {"limitRanges": ["defaults"]}})
	keys == {"LimitRange"} with input as review({"namespace": {"resourceQuotas": ["team"]}})
}

test_both if {
	count(namespace_limits.deny) == 0 with input as review({"namespace": {"limitRanges": ["defaults"], "resourceQuotas": ["team", "batch"]}})
}

test_origins[name] if {
	some name, expected in {
		"a new namespace": {"origin": "validating", "operation": "CREATE", "count": 0},
		"a new namespace, to be mutated": {"origin": "mutating", "operation": "CREATE", "count": 0},
		"an update": {"origin": "validating", "operation": "UPDATE", "count": 2},
		"a file": {"origin": "manifest", "operation": "CREATE", "count": 2},
		"an audit": {"origin": "live", "operation": "CREATE", "count": 2},
	}
	count(namespace_limits.deny) == expected.count with input as review({"origin": expected.origin, "operation": expected.operation})
}

test_terminating if {
	terminating := {"metadata": {"name": "shop", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
	count(namespace_limits.deny) == 0 with input as review({"object": terminating})
}

test_exempt[name] if {
	some name, expected in {"default": 0, "kube-system": 0, "kube-": 0, "default-shop": 2, "my-kube-shop": 2, "": 2}
	count(namespace_limits.deny) == expected with input as review({"name": name})
}

test_nothing_exempt if {
	request := review({"name": "kube-system", "parameters": {"exempt": []}})
	count(namespace_limits.deny) == 2 with input as request
}
