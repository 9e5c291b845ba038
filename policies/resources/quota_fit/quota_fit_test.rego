package taffrail.resources.quota_fit_test

import data.taffrail.resources.quota_fit

shortage(more) := object.union(
	{
		"by": "ResourceQuota/team", "resource": "requests.cpu", "when": "always", "pods": 4, "needed": "8", "left": "5",
		"hard": "10", "container": "", "field": "", "certain": true, "excess": 3,
	},
	more,
)

found(kind, shortages) := findings if {
	findings := quota_fit.deny with input as {
		"kind": kind,
		"containers": {"spec.template.spec.containers[0]": {"name": "app", "type": "app", "path": "spec.template.spec.containers[0]"}},
		"workload": {"shortages": shortages, "autoscaler": {"name": "web", "minReplicas": 2, "maxReplicas": 10}},
	}
}

test_nothing_is_short if count(found("Deployment", [])) == 0

test_replicas if {
	found("Deployment", [shortage({})]) == {{
		"msg": "ResourceQuota/team has 5 of 10 requests.cpu left, but 4 Pods need 8",
		"path": "spec.replicas",
		"key": "ResourceQuota/team: requests.cpu",
		"excess": 3,
	}}
}

test_one_pod if {
	some finding in found("Deployment", [shortage({"pods": 1})])
	finding.msg == "ResourceQuota/team has 5 of 10 requests.cpu left, but 1 Pod needs 8"
}

test_demand[when] if {
	some when, words in {
		"stuck": "but a rollout needs 8 to create Pod 4",
		"rollout": "but the 4 Pods of a rollout need 8",
		"scaling": "but the 4 Pods of autoscaler web need 8",
	}
	some finding in found("Deployment", [shortage({"when": when})])
	contains(finding.msg, words)
}

test_nobody_has_to_act[when] if {
	some when in ["rollout", "scaling"]
	some finding in found("Deployment", [shortage({"when": when})])
	finding.at_most == "audit"
}

test_doubt_is_a_warning if {
	some finding in found("Deployment", [shortage({"certain": false})])
	finding.at_most == "warn"
}

test_path[kind] if {
	some kind, path in {
		"StatefulSet": "spec.replicas", "ReplicaSet": "spec.replicas", "ReplicationController": "spec.replicas",
		"Job": "spec.parallelism", "CronJob": "spec.jobTemplate.spec.parallelism", "DaemonSet": "spec.template.spec",
	}
	some finding in found(kind, [shortage({})])
	finding.path == path
}

test_wanting_value if {
	found("Deployment", [shortage({"pods": 0, "resource": "limits.cpu", "container": "app", "field": "resources.limits.cpu"})]) == {{
		"msg": "ResourceQuota/team requires limits.cpu in every container",
		"path": "spec.template.spec.containers[0].resources.limits.cpu",
		"container": "app",
		"key": "ResourceQuota/team: resources.limits.cpu",
	}}
}
