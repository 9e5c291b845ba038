package taffrail.storage.volume_access_test

import data.taffrail.storage.volume_access
import future.keywords.not

parameters := {"ebsClasses": ["gp3", "ebs-*"], "sharedProvisioners": ["efs.csi.aws.com"]}

ebs := "ebs.csi.aws.com"

counted(steady, most, surge, unavailable) := {"steady": steady, "most": most, "surge": surge, "unavailable": unavailable}

rolled := {
	"Deployment": 1, "StatefulSet": 0, "DaemonSet": 0, "ReplicaSet": 0, "ReplicationController": 0, "Job": 0, "Pod": 0,
}

claim(modes, provisioner) := {"accessModes": modes, "storageClass": "sc", "provisioner": provisioner, "known": true}

own(source, path, fields) := {path: object.union({"source": source, "path": path, "name": "data"}, fields)}

mounted(fields) := own("volume", "spec.template.spec.volumes[0]", fields)

pvc(fields) := {"kind": "PersistentVolumeClaim", "claims": own("object", "", fields), "parameters": parameters}

# How many Pods there will be is read in Go, and tested there.
workload(kind, replicas, claims) := {
	"kind": kind,
	"workload": {"pods": counted(replicas, replicas, rolled[kind], 0), "pod": {"spec": {}}},
	"claims": claims,
	"parameters": parameters,
}

shared := workload("Deployment", 2, mounted(claim(["ReadWriteOnce"], ebs)))

single := workload("Deployment", 1, mounted(claim(["ReadWriteOnce"], ebs)))

keys contains finding.key if some finding in volume_access.deny

messages contains finding.msg if some finding in volume_access.deny

test_many_on_ebs[mode] if {
	some mode in ["ReadWriteMany", "ReadOnlyMany"]
	volume_access.deny == {{
		"msg": sprintf("EBS does not support %s: it attaches a volume to one node, so the claim stays Pending", [mode]),
		"path": "spec.accessModes",
		"key": sprintf("claim=data,mode=%s", [mode]),
	}} with input as pvc(claim([mode], ebs))
}

test_every_ebs_provisioner[provisioner] if {
	some provisioner in ["ebs.csi.aws.com", "ebs.csi.eks.amazonaws.com", "kubernetes.io/aws-ebs"]
	count(volume_access.deny) == 1 with input as pvc(claim(["ReadWriteMany"], provisioner))
}

test_block_may_be_attached_to_many_nodes if {
	block := {"volumeMode": "Block"}
	volume_access.deny == set() with input as pvc(object.union(claim(["ReadWriteMany"], ebs), block))
	count(volume_access.deny) == 1 with input as pvc(object.union(claim(["ReadWriteMany"], ebs), {"volumeMode": "Filesystem"}))
	count(volume_access.deny) == 1 with input as pvc(object.union(claim(["ReadOnlyMany"], ebs), block))
}

test_one_node_on_ebs[mode] if {
	some mode in ["ReadWriteOnce", "ReadWriteOncePod"]
	volume_access.deny == set() with input as pvc(claim([mode], ebs))
}

test_other_provisioners if {
	volume_access.deny == set() with input as pvc(claim(["ReadWriteMany"], "efs.csi.aws.com"))
}

test_unknown_class_is_taken_by_its_name[class] if {
	some class, expected in {"gp3": 1, "ebs-fast": 1, "efs-sc": 0, "gp3-fast": 0, "an-ebs-": 0}
	fields := object.union(claim(["ReadWriteMany"], ""), {"storageClass": class})
	count(volume_access.deny) == expected with input as pvc(fields)
}

test_known_class_is_not_taken_by_its_name if {
	fields := object.union(claim(["ReadWriteMany"], "efs.csi.aws.com"), {"storageClass": "gp3"})
	volume_access.deny == set() with input as pvc(fields)
}

unclassed(class) := object.union(claim(["ReadWriteMany"], ""), {"storageClass": class})

test_default_class_not_known if {
	volume_access.deny == {{
		"msg": "EBS does not support ReadWriteMany",
		"path": "spec.accessModes",
		"key": "claim=data,mode=ReadWriteMany",
		"unknown": "the default StorageClass is not known",
	}} with input as pvc(unclassed(null))
	volume_access.deny == set() with input as pvc(object.union(unclassed(null), {"volumeMode": "Block"}))
}

test_no_class_is_asked_for if {
	volume_access.deny == set() with input as pvc(unclassed(""))
}

test_claims_made_for_each_pod[source] if {
	some source, path in {
		"template": "spec.volumeClaimTemplates[0]",
		"ephemeral": "spec.template.spec.volumes[0].ephemeral.volumeClaimTemplate",
	}
	{finding.path | some finding in volume_access.deny} == {concat("", [path, ".spec.accessModes"])} with input as workload("StatefulSet", 3, own(source, path, claim(["ReadWriteMany"], ebs)))
	volume_access.deny == set() with input as workload("StatefulSet", 3, own(source, path, claim(["ReadWriteOnce"], ebs)))
}

test_mode_is_not_said_of_a_volume if {
	volume_access.deny == set() with input as workload("Deployment", 2, mounted(claim(["ReadWriteMany"], ebs)))
}

test_shared_claim if {
	volume_access.deny == {{
		"msg": `claim "data" is ReadWriteOnce, but up to 2 Pods use it: other nodes get Multi-Attach errors`,
		"path": "spec.template.spec.volumes[0].persistentVolumeClaim.claimName",
		"key": "claim=data,mode=ReadWriteOnce,shared",
	}} with input as shared
}

test_shared_by_kind[name] if {
	some name, expected in {
		"StatefulSet": "up to 2 Pods",
		"ReplicaSet": "up to 2 Pods",
		"ReplicationController": "up to 2 Pods",
		"DaemonSet": "Pods on every node",
	}
	message := sprintf(`claim "data" is ReadWriteOncePod, but %s use it: all but one stay Pending`, [expected])
	messages == {message} with input as workload(name, 2, mounted(claim(["ReadWriteOncePod"], ebs)))
}

test_one_pod_shares_nothing[kind] if {
	some kind in ["StatefulSet", "ReplicaSet", "ReplicationController", "Pod"]
	volume_access.deny == set() with input as workload(kind, 1, mounted(claim(["ReadWriteOnce"], ebs)))
}

test_jobs if {
	volume_access.deny == set() with input as workload("Job", 1, mounted(claim(["ReadWriteOnce"], ebs)))
	count(volume_access.deny) == 1 with input as workload("Job", 3, mounted(claim(["ReadWriteOnce"], ebs)))
}

test_modes_that_can_be_shared[name] if {
	some name, modes in {
		"files": ["ReadWriteMany"],
		"read only": ["ReadOnlyMany"],
		"both": ["ReadWriteOnce", "ReadWriteMany"],
		"many readers": ["ReadWriteOnce", "ReadOnlyMany"],
		"none": [],
	}
	volume_access.deny == set() with input as workload("Deployment", 3, mounted(claim(modes, "efs.csi.aws.com")))
	volume_access.deny == set() with input as workload("Deployment", 1, mounted(claim(modes, "efs.csi.aws.com")))
}

test_shared_provisioner if {
	volume_access.deny == set() with input as workload("Deployment", 3, mounted(claim(["ReadWriteOnce"], "efs.csi.aws.com")))
	volume_access.deny == set() with input as workload("DaemonSet", 1, mounted(claim(["ReadWriteOnce"], "efs.csi.aws.com")))
	count(volume_access.deny) == 1 with input as workload("Deployment", 3, mounted(claim(["ReadWriteOncePod"], "efs.csi.aws.com")))
}

test_held_to_one_node[name] if {
	some name, spec in {
		"nodeName": {"nodeName": "node-1"},
		"nodeSelector": {"nodeSelector": {"kubernetes.io/hostname": "node-1"}},
		"podAffinity": {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "kubernetes.io/hostname"}]}}},
	}
	held := {"workload": {"pod": {"spec": spec}}}
	volume_access.deny == set() with input as object.union(shared, held)
	volume_access.deny == set() with input as object.union(single, held)
	alone := workload("Deployment", 2, mounted(claim(["ReadWriteOncePod"], ebs)))
	count(volume_access.deny) == 1 with input as object.union(alone, held)
}

test_not_held_to_one_node[name] if {
	some name, spec in {
		"empty nodeName": {"nodeName": ""},
		"null nodeName": {"nodeName": null},
		"a zone": {"nodeSelector": {"topology.kubernetes.io/zone": "a"}},
		"preferred": {"affinity": {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"podAffinityTerm": {"topologyKey": "kubernetes.io/hostname"}}]}}},
		"apart": {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "kubernetes.io/hostname"}]}}},
		"by zone": {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "topology.kubernetes.io/zone"}]}}},
	}
	count(volume_access.deny) == 1 with input as object.union(shared, {"workload": {"pod": {"spec": spec}}})
}

test_autoscaler if {
	keys == {"claim=data,mode=ReadWriteOnce,shared"} with input as object.union(single, {"workload": {"pods": counted(1, 4, 1, 0)}})
	keys == {"claim=data,mode=ReadWriteOnce,rollout"} with input as object.union(single, {"workload": {"pods": counted(1, 1, 1, 0)}})
}

test_unknown_claim if {
	unknown := mounted({"accessModes": [], "storageClass": "", "provisioner": "", "known": false})
	volume_access.deny == {{
		"msg": `claim "data" must be ReadWriteMany for up to 2 Pods`,
		"path": "spec.template.spec.volumes[0].persistentVolumeClaim.claimName",
		"key": "claim=data,shared",
		"unknown": `claim "data" is not known`,
	}} with input as workload("Deployment", 2, unknown)
	volume_access.deny == set() with input as workload("Deployment", 1, unknown)
	volume_access.deny == set() with input as workload("Pod", 1, unknown)
}

test_rollout if {
	volume_access.deny == {{
		"msg": `claim "data" is ReadWriteOnce: a rollout hangs if the new Pod lands on another node`,
		"path": "spec.template.spec.volumes[0].persistentVolumeClaim.claimName",
		"key": "claim=data,mode=ReadWriteOnce,rollout",
		"at_most": "audit",
	}} with input as single
	volume_access.deny == {{
		"msg": `claim "data" is ReadWriteOncePod: a rollout hangs, because the new Pod starts before the old one stops`,
		"path": "spec.template.spec.volumes[0].persistentVolumeClaim.claimName",
		"key": "claim=data,mode=ReadWriteOncePod,rollout",
	}} with input as workload("Deployment", 1, mounted(claim(["ReadWriteOncePod"], ebs)))
}

test_rollout_that_makes_room_first[name] if {
	some name, pods in {"the old one first": counted(1, 1, 0, 1), "both at once": counted(1, 1, 1, 1), "no rollout": counted(1, 1, 0, 0)}
	volume_access.deny == set() with input as object.union(single, {"workload": {"pods": pods}})
}

test_no_pod_no_rollout if {
	volume_access.deny == set() with input as workload("Deployment", 0, mounted(claim(["ReadWriteOnce"], ebs)))
}

test_no_claims if volume_access.deny == set() with input as workload("Deployment", 3, {})

inline(kind, replicas, volume) := {
	"kind": kind,
	"workload": {
		"specPath": "spec.template.spec",
		"pods": counted(replicas, replicas, rolled[kind], 0),
		"pod": {"spec": {"volumes": [{"name": "tmp", "emptyDir": {}}, object.union({"name": "data"}, volume)]}},
	},
	"claims": {},
	"parameters": parameters,
}

test_a_disk_of_many_pods if {
	volume_access.deny == {{
		"msg": `awsElasticBlockStore attaches to one node, but up to 2 Pods use volume "data"`,
		"path": "spec.template.spec.volumes[1].awsElasticBlockStore",
		"key": "volume=data,type=awsElasticBlockStore,shared",
	}} with input as inline("Deployment", 2, {"awsElasticBlockStore": {"volumeID": "vol-1"}})
}

test_a_disk_of_a_rollout if {
	volume_access.deny == {{
		"msg": `iscsi attaches to one node: a rollout hangs if the new Pod lands on another`,
		"path": "spec.template.spec.volumes[1].iscsi",
		"key": "volume=data,type=iscsi,rollout",
		"at_most": "audit",
	}} with input as inline("Deployment", 1, {"iscsi": {}})
	volume_access.deny == set() with input as inline("StatefulSet", 1, {"iscsi": {}})
}

test_a_disk_held_on_one_node if {
	held := {"workload": {"pod": {"spec": {"nodeSelector": {"kubernetes.io/hostname": "a"}}}}}
	volume_access.deny == set() with input as object.union(inline("Deployment", 2, {"iscsi": {}}), held)
	volume_access.deny == set() with input as object.union(inline("Deployment", 1, {"iscsi": {}}), held)
}
