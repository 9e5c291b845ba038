package taffrail.resources.limitrange_fit_test

import data.taffrail.resources.limitrange_fit
import future.keywords.not

refusal(more) := object.union(
	{
		"by": "LimitRange/team", "container": "", "claim": "", "resource": "cpu", "bound": "max",
		"message": "cpu limit 2 is over the maximum of 1", "certain": true, "excess": 1,
	},
	more,
)

found(refusals) := findings if {
	findings := limitrange_fit.deny with input as {
		"containers": {
			"spec.template.spec.containers[0]": {"name": "app", "type": "app", "path": "spec.template.spec.containers[0]"},
			"spec.template.spec.ephemeralContainers[0]": {"name": "debug", "type": "ephemeral", "path": "spec.template.spec.ephemeralContainers[0]"},
		},
		"workload": {"specPath": "spec.template.spec", "refusals": refusals},
	}
}

test_nothing_is_refused if count(found([])) == 0

test_container if {
	found([refusal({"container": "app"})]) == {{
		"msg": "cpu limit 2 is over the maximum of 1 (LimitRange/team)",
		"key": "LimitRange/team: max cpu",
		"excess": 1,
		"container": "app",
		"path": "spec.template.spec.containers[0].resources.limits.cpu",
	}}
}

test_minimum_is_of_the_request if {
	some finding in found([refusal({"container": "app", "bound": "min"})])
	finding.path == "spec.template.spec.containers[0].resources.requests.cpu"
}

test_pod_as_a_whole if {
	some finding in found([refusal({})])
	finding.path == "spec.template.spec"
	not finding.container
}

test_claim if {
	some finding in found([refusal({"claim": "spec.volumeClaimTemplates[0]", "resource": "storage", "message": "too large"})])
	finding.path == "spec.volumeClaimTemplates[0].spec.resources.requests.storage"
	finding.msg == "too large (LimitRange/team)"
}

test_doubt_is_a_warning if {
	some finding in found([refusal({"container": "app", "certain": false})])
	finding.at_most == "warn"
}

test_no_workload if {
	count(limitrange_fit.deny) == 0 with input as {"containers": {}}
}
