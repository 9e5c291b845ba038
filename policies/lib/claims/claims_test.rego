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

test_a_disk_that_attaches_to_one_node[type] if {
	some type in [
		"awsElasticBlockStore", "azureDisk", "cinder", "fc", "gcePersistentDisk", "iscsi",
		"photonPersistentDisk", "rbd", "vsphereVolume",
	]
	request := review([{"name": "tmp", "emptyDir": {}}, {"name": "data", type: {}}])
	claims.disks == {sprintf("volumes[1].%s", [type]): {"name": "data", "type": type}} with input as request
	claims.mounted with input as request
}

test_many_may_read[type] if {
	some type, expected in {"gcePersistentDisk": 0, "iscsi": 0, "fc": 0, "rbd": 0, "awsElasticBlockStore": 1, "azureDisk": 1}
	count(claims.disks) == expected with input as review([{"name": "data", type: {"readOnly": true}}])
	count(claims.disks) == 1 with input as review([{"name": "data", type: {"readOnly": false}}])
}

# The API server refuses them.
test_two_disks_in_one_volume if {
	count(claims.disks) == 2 with input as review([{"name": "data", "cinder": {}, "azureDisk": {}}])
}

test_no_disks[name] if {
	some name, volumes in {
		"null": null,
		"shared files": [{"name": "data", "nfs": {"server": "a", "path": "/"}}, {"name": "more", "cephfs": {}}],
		"each Pod's own": [{"name": "data", "ephemeral": {}}, {"name": "more", "csi": {"driver": "x"}}],
		"of the node": [{"name": "data", "hostPath": {"path": "/data"}}],
		"no map": [{"name": "data", "awsElasticBlockStore": null}],
	}
	claims.disks == {} with input as review(volumes)
}
