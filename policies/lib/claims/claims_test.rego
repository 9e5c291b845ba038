package taffrail.lib.claims_test

import data.taffrail.lib.claims
import future.keywords.not

review(volumes) := {"workload": {"pod": {"spec": {"volumes": volumes}}}}

test_mounted if {
	claims.mounted with input as review([{"name": "tmp", "emptyDir": {}}, {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}])
}

test_not_mounted[name] if {
	some name, volumes in {
		"none": [],
		"null": null,
		"text": "data",
		"null volume": [null],
		"null claim": [{"name": "data", "persistentVolumeClaim": null}],
		"text for a claim": [{"name": "data", "persistentVolumeClaim": "data"}],
		"each Pod's own": [{"name": "data", "ephemeral": {"volumeClaimTemplate": {}}}],
	}
	not claims.mounted with input as review(volumes)
}

test_not_mounted_without_a_workload if {
	not claims.mounted with input as {"kind": "Service"}
}
