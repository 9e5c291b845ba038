package taffrail.storage.stateless_deployment_test

import data.taffrail.storage.stateless_deployment

volume(i, name) := {
	"source": "volume",
	"path": sprintf("spec.template.spec.volumes[%d]", [i]),
	"name": name,
	"known": false,
}

test_a_claim_is_listed if {
	stateless_deployment.deny == {{
		"msg": `claim "data" keeps state in a Deployment, whose Pods are interchangeable`,
		"path": "spec.template.spec.volumes[0].persistentVolumeClaim.claimName",
		"key": "claim=data",
	}} with input as {"claims": {"spec.template.spec.volumes[0]": volume(0, "data")}}
}

test_a_finding_for_each_claim if {
	claims := {sprintf("spec.template.spec.volumes[%d]", [i]): volume(i, name) | some i, name in ["data", "cache"]}
	{finding.key | some finding in stateless_deployment.deny} == {"claim=data", "claim=cache"} with input as {"claims": claims}
}

test_what_ends_with_the_pod if {
	path := "spec.template.spec.volumes[0].ephemeral.volumeClaimTemplate"
	claims := {path: {"source": "ephemeral", "path": path, "name": "scratch", "known": true}}
	count(stateless_deployment.deny) == 0 with input as {"claims": claims}
}

test_no_claims if count(stateless_deployment.deny) == 0 with input as {"claims": {}}
