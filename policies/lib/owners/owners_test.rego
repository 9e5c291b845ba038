package taffrail.lib.owners_test

import data.taffrail.lib.owners
import future.keywords.not

review(origin, kind, references) := {
	"origin": origin,
	"kind": kind,
	"object": {"metadata": {"ownerReferences": references}},
}

owner(version, kind) := {"apiVersion": version, "kind": kind, "name": "web", "controller": true}

test_controlled if {
	owners.controlled with input as review("manifest", "Pod", [owner("example.dev/v1", "Thing")])
	owners.controlled with input as review("manifest", "Pod", [{"kind": "Node"}, owner("apps/v1", "ReplicaSet")])
}

test_not_controlled[name] if {
	some name, references in {
		"none": [],
		"null": null,
		"text": "web",
		"null reference": [null],
		"no controller": [{"kind": "ReplicaSet"}],
		"false": [{"kind": "ReplicaSet", "controller": false}],
		"text for true": [{"kind": "ReplicaSet", "controller": "true"}],
	}
	not owners.controlled with input as review("manifest", "Pod", references)
}

test_not_controlled_without_metadata if {
	not owners.controlled with input as {"object": {}}
}

test_listed_with_owner[name] if {
	some name, expected in {
		"Pod of a ReplicaSet": {"kind": "Pod", "owner": owner("apps/v1", "ReplicaSet")},
		"Pod of a ReplicationController": {"kind": "Pod", "owner": owner("v1", "ReplicationController")},
		"ReplicaSet of a Deployment": {"kind": "ReplicaSet", "owner": owner("apps/v1", "Deployment")},
		"Job of a CronJob": {"kind": "Job", "owner": owner("batch/v1", "CronJob")},
	}
	owners.listed_with_owner with input as review("live", expected.kind, [expected.owner])
	not owners.listed_with_owner with input as review("validating", expected.kind, [expected.owner])
	not owners.listed_with_owner with input as review("manifest", expected.kind, [expected.owner])
}

test_listed_for_itself[name] if {
	some name, expected in {
		"custom owner": {"kind": "Pod", "owner": owner("argoproj.io/v1alpha1", "Workflow")},
		"custom owner by the same name": {"kind": "Pod", "owner": owner("apps.kruise.io/v1beta1", "StatefulSet")},
		"no controller": {"kind": "Pod", "owner": object.union(owner("apps/v1", "ReplicaSet"), {"controller": false})},
		"made from no template": {"kind": "ConfigMap", "owner": owner("apps/v1", "Deployment")},
	}
	not owners.listed_with_owner with input as review("live", expected.kind, [expected.owner])
}
