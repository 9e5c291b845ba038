package taffrail.resources.limit_request_ratio_test

import data.taffrail.resources.limit_request_ratio

mebi := 1048576

resources(cpu, memory) := {
	"requests": {"cpu": cpu[1], "memory": memory[1] * mebi},
	"limits": {"cpu": cpu[0], "memory": memory[0] * mebi},
}

review(effective, maximum, minimum) := {
	"workload": {"specPath": "spec.template.spec"},
	"containers": {"spec.template.spec.containers[0]": {"name": "web", "resources": effective}},
	"parameters": {"maximum": maximum, "minimum": minimum},
}

four := {"cpu": 4, "memory": 2}

off := {"cpu": 0, "memory": 0}

usual(effective) := review(effective, four, off)

messages contains finding.msg if some finding in limit_request_ratio.deny

test_within if count(limit_request_ratio.deny) == 0 with input as usual(resources([250, 100], [768, 512]))

test_at_the_bound if count(limit_request_ratio.deny) == 0 with input as usual(resources([400, 100], [1024, 512]))

test_cpu_beyond if {
	limit_request_ratio.deny == {{
		"msg": "limits.cpu is 10 times requests.cpu (1 / 100m), more than 4",
		"path": "spec.template.spec.containers[0].resources.limits.cpu",
		"key": "cpu maximum",
		"excess": 6,
		"container": "web",
	}} with input as usual(resources([1000, 100], [1, 1]))
}

test_memory_beyond if {
	limit_request_ratio.deny == {{
		"msg": "limits.memory is 2.01 times requests.memory (1025Mi / 512Mi), more than 2",
		"path": "spec.template.spec.containers[0].resources.limits.memory",
		"key": "memory maximum",
		"excess": 0.001953125,
		"container": "web",
	}} with input as usual(resources([1, 1], [1025, 512]))
}

test_both if {
	count(limit_request_ratio.deny) == 2 with input as usual(resources([1000, 100], [4096, 512]))
}

test_other_maximum if {
	count(limit_request_ratio.deny) == 0 with input as review(resources([1000, 100], [4096, 512]), {"cpu": 10, "memory": 8}, off)
	messages == {"limits.cpu is 2.5 times requests.cpu (250m / 100m), more than 1.5"} with input as review(
		resources([250, 100], [1, 1]),
		{"cpu": 1.5, "memory": 2},
		off,
	)
}

test_no_maximum if {
	count(limit_request_ratio.deny) == 0 with input as review(resources([100000, 1], [4096, 1]), off, off)
	count(limit_request_ratio.deny) == 0 with input as review(resources([100, 0], [1, 0]), off, off)
}

test_minimum if {
	messages == {"limits.cpu is 1 times requests.cpu (100m / 100m), less than 1.25"} with input as review(
		resources([100, 100], [768, 512]),
		four, {"cpu": 1.25, "memory": 1.5},
	)
	messages == {"limits.memory is 1.49 times requests.memory (767Mi / 512Mi), less than 1.5"} with input as review(
		resources([250, 100], [767, 512]),
		four, {"cpu": 1.25, "memory": 1.5},
	)
}

test_request_of_zero if {
	limit_request_ratio.deny == {{
		"msg": "requests.cpu is 0 and limits.cpu is 1, so all of it is overcommitted",
		"path": "spec.template.spec.containers[0].resources.requests.cpu",
		"key": "cpu maximum",
		"container": "web",
	}} with input as usual(resources([1000, 0], [1, 1]))
}

test_nothing_to_compare[name] if {
	some name, effective in {
		"nothing": {},
		"no requests": {"requests": {}, "limits": {"cpu": 1000}},
		"no limits": {"requests": {"cpu": 1}, "limits": {}},
		"a limit of zero": {"requests": {"cpu": 1}, "limits": {"cpu": 0}},
		"two of zero": {"requests": {"cpu": 0}, "limits": {"cpu": 0}},
		"others": {"requests": {"ephemeral-storage": 1}, "limits": {"ephemeral-storage": 1000000}},
	}
	count(limit_request_ratio.deny) == 0 with input as usual(effective)
}

test_the_pod_as_a_whole if {
	whole := object.union(usual({}), {"workload": {"resources": resources([1000, 100], [768, 512])}})
	limit_request_ratio.deny == {{
		"msg": "limits.cpu is 10 times requests.cpu (1 / 100m), more than 4",
		"path": "spec.template.spec.resources.limits.cpu",
		"key": "cpu maximum",
		"excess": 6,
	}} with input as whole
	pod := object.union(whole, {"workload": {"specPath": "spec"}})
	{finding.path | some finding in limit_request_ratio.deny} == {"spec.resources.limits.cpu"} with input as pod
}

test_the_pod_has_other_resources if {
	whole := object.union(usual({}), {"workload": {"resources": {
		"requests": {"hugepages-2Mi": 1},
		"limits": {"hugepages-2Mi": 100},
	}}})
	count(limit_request_ratio.deny) == 0 with input as whole
}

test_amounts[text] if {
	some text, bytes in {
		"3Ti": 3298534883328,
		"1536Mi": 1610612736,
		"1Ki": 1024,
		"3G": 3000000000,
		"3M": 3000000,
		"3k": 3000,
		"1": 1,
		"1025": 1025,
	}
	effective := {"requests": {"memory": 0}, "limits": {"memory": bytes}}
	messages == {sprintf("requests.memory is 0 and limits.memory is %s, so all of it is overcommitted", [text])} with input as usual(effective)
}
