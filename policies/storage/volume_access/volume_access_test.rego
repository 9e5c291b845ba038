package taffrail.storage.volume_access_test

import data.taffrail.storage.volume_access
import future.keywords.not

parameters := {"ebsClasses": ["gp3", "ebs-*"], "sharedProvisioners": ["efs.csi.aws.com"]}

ebs := "ebs.csi.aws.com"

defaulted := {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}

claim(modes, provisioner) := {"accessModes": modes, "storageClass": "sc", "provisioner": provisioner, "known": true}

own(source, path, fields) := {path: object.union({"source": source, "path": path, "name": "data"}, fields)}

mounted(fields) := own("volume", "spec.template.spec.volumes[0]", fields)

pvc(spec, fields) := {
	"kind": "PersistentVolumeClaim",
	"object": {"spec": spec},
	"claims": own("object", "", fields),
	"parameters": {"volume-access": parameters},
}

workload(kind, replicas, claims) := {
	"kind": kind,
	"object": {"spec": {"strategy": defaulted}},
	"workload": {"replicas": replicas, "path": "spec.template", "pod": {"spec": {}}},
	"claims": claims,
	"parameters": {"volume-access": parameters},
}

shared := workload("Deployment", 2, mounted(claim(["ReadWriteOnce"], ebs)))

single := workload("Deployment", 1, mounted(claim(["ReadWriteOnce"], ebs)))

keys contains finding.key if some finding in volume_access.deny

messages contains finding.msg if some finding in volume_access.deny

test_many_on_ebs[mode] if {
	some mode in ["ReadWriteMany", "ReadOnlyMany"]
	volume_access.deny == {{
		"msg": sprintf("%s cannot be had on EBS, which attaches a volume to one node, so the claim stays pending", [mode]),
		"path": "spec.accessModes",
		"key": sprintf("claim=data,mode=%s", [mode]),
	}} with input as pvc({}, claim([mode], ebs))
}

test_every_ebs_provisioner[provisioner] if {
	some provisioner in ["ebs.csi.aws.com", "ebs.csi.eks.amazonaws.com", "kubernetes.io/aws-ebs"]
	count(volume_access.deny) == 1 with input as pvc({}, claim(["ReadWriteMany"], provisioner))
}

test_block_may_be_attached_to_many_nodes if {
	volume_access.deny == set() with input as pvc({"volumeMode": "Block"}, claim(["ReadWriteMany"], ebs))
	count(volume_access.deny) == 1 with input as pvc({"volumeMode": "Filesystem"}, claim(["ReadWriteMany"], ebs))
	count(volume_access.deny) == 1 with input as pvc({"volumeMode": "Block"}, claim(["ReadOnlyMany"], ebs))
}

test_one_node_on_ebs[mode] if {
	some mode in ["ReadWriteOnce", "ReadWriteOncePod"]
	volume_access.deny == set() with input as pvc({}, claim([mode], ebs))
}

test_other_provisioners if {
	volume_access.deny == set() with input as pvc({}, claim(["ReadWriteMany"], "efs.csi.aws.com"))
}

test_unknown_class_is_taken_by_its_name[class] if {
	some class, expected in {"gp3": 1, "ebs-fast": 1, "efs-sc": 0, "gp3-fast": 0, "an-ebs-": 0}
	fields := object.union(claim(["ReadWriteMany"], ""), {"storageClass": class})
	count(volume_access.deny) == expected with input as pvc({"storageClassName": class}, fields)
}

test_known_class_is_not_taken_by_its_name if {
	fields := object.union(claim(["ReadWriteMany"], "efs.csi.aws.com"), {"storageClass": "gp3"})
	volume_access.deny == set() with input as pvc({"storageClassName": "gp3"}, fields)
}

test_default_class_not_known[name] if {
	some name, spec in {"absent": {}, "null": {"storageClassName": null}}
	fields := object.union(claim(["ReadWriteMany"], ""), {"storageClass": ""})
	volume_access.deny == {{
		"msg": "ReadWriteMany cannot be had where the default storage class is EBS",
		"path": "spec.accessModes",
		"key": "claim=data,mode=ReadWriteMany",
		"unknown": "the claim names no storage class, and which one is the default is not known",
	}} with input as pvc(spec, fields)
}

test_no_class_is_asked_for if {
	fields := object.union(claim(["ReadWriteMany"], ""), {"storageClass": ""})
	volume_access.deny == set() with input as pvc({"storageClassName": ""}, fields)
	volume_access.deny == set() with input as pvc({"volumeMode": "Block"}, fields)
}

test_claims_made_for_each_pod[source] if {
	some source, path in {
		"template": "spec.volumeClaimTemplates[0]",
		"ephemeral": "spec.template.spec.volumes[0].ephemeral.volumeClaimTemplate",
	}
	{finding.path | some finding in volume_access.deny} == {concat("", [path, ".spec.accessModes"])} with input as workload("StatefulSet", 3, own(source, path, claim(["ReadWriteMany"], ebs)))
	volume_access.deny == set() with input as workload("StatefulSet", 3, own(source, path, claim(["ReadWriteOnce"], ebs)))
}

test_block_in_a_template if {
	request := workload("StatefulSet", 3, own("template", "spec.volumeClaimTemplates[1]", claim(["ReadWriteMany"], ebs)))
	templates := [{"spec": {}}, {"spec": {"volumeMode": "Block"}}]
	volume_access.deny == set() with input as object.union(request, {"object": {"spec": {"volumeClaimTemplates": templates}}})
}

test_block_in_an_ephemeral_volume[name] if {
	some name, expected in {
		"Pod": {"path": "", "claim": "spec.volumes[0].ephemeral.volumeClaimTemplate"},
		"Job": {"path": "spec.template", "claim": "spec.template.spec.volumes[0].ephemeral.volumeClaimTemplate"},
	}
	request := workload(name, 1, own("ephemeral", expected.claim, claim(["ReadWriteMany"], ebs)))
	volumes := [{"ephemeral": {"volumeClaimTemplate": {"spec": {"volumeMode": "Block"}}}}]
	block := object.union(request, {"workload": {"path": expected.path, "pod": {"spec": {"volumes": volumes}}}})
	volume_access.deny == set() with input as block
	count(volume_access.deny) == 1 with input as request
}

test_mode_is_not_said_of_a_volume if {
	volume_access.deny == set() with input as workload("Deployment", 2, mounted(claim(["ReadWriteMany"], ebs)))
}

test_shared_claim if {
	volume_access.deny == {{
		"msg": `claim "data" is ReadWriteOnce, but up to 2 Pods use it: those on another node end in Multi-Attach errors`,
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
	message := sprintf(`claim "data" is ReadWriteOncePod, but %s use it: all but one stay pending`, [expected])
	messages == {message} with input as workload(name, 2, mounted(claim(["ReadWriteOncePod"], ebs)))
}

test_one_pod_shares_nothing[kind] if {
	some kind in ["StatefulSet", "ReplicaSet", "ReplicationController", "Pod"]
	volume_access.deny == set() with input as workload(kind, 1, mounted(claim(["ReadWriteOnce"], ebs)))
}

test_jobs[name] if {
	some name, expected in {
		"one": {"spec": {"parallelism": 1, "completions": 5}, "count": 0},
		"several": {"spec": {"parallelism": 3, "completions": 5}, "count": 1},
		"no more than asked for": {"spec": {"parallelism": 3, "completions": 1}, "count": 0},
		"a work queue": {"spec": {"parallelism": 3, "completions": null}, "count": 1},
		"no parallelism": {"spec": {"completions": 5}, "count": 0},
		"none": {"spec": {"parallelism": 0}, "count": 0},
	}
	request := workload("Job", 1, mounted(claim(["ReadWriteOnce"], ebs)))
	defaulted_spec := object.union({"parallelism": 1}, expected.spec)
	count(volume_access.deny) == expected.count with input as object.union(request, {"object": {"spec": defaulted_spec}})
	cron := object.union(request, {"kind": "CronJob", "object": {"spec": {"jobTemplate": {"spec": expected.spec}}}})
	count(volume_access.deny) == expected.count with input as cron
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
	keys == {"claim=data,mode=ReadWriteOnce,shared"} with input as object.union(single, {"workload": {"autoscaler": {"minReplicas": 1, "maxReplicas": 4}}})
	keys == {"claim=data,mode=ReadWriteOnce,rollout"} with input as object.union(single, {"workload": {"autoscaler": {"minReplicas": 1, "maxReplicas": 1}}})
}

test_unknown_claim if {
	unknown := mounted({"accessModes": [], "storageClass": "", "provisioner": "", "known": false})
	volume_access.deny == {{
		"msg": `claim "data" cannot be used by up to 2 Pods unless it is ReadWriteMany`,
		"path": "spec.template.spec.volumes[0].persistentVolumeClaim.claimName",
		"key": "claim=data,shared",
		"unknown": `the PersistentVolumeClaim "data" is not known`,
	}} with input as workload("Deployment", 2, unknown)
	volume_access.deny == set() with input as workload("Deployment", 1, unknown)
	volume_access.deny == set() with input as workload("Pod", 1, unknown)
}

test_rollout if {
	volume_access.deny == {{
		"msg": `claim "data" is ReadWriteOnce: a rollout hangs where the new Pod lands on another node than the old one`,
		"path": "spec.template.spec.volumes[0].persistentVolumeClaim.claimName",
		"key": "claim=data,mode=ReadWriteOnce,rollout",
		"at_most": "audit",
	}} with input as single
	volume_access.deny == {{
		"msg": `claim "data" is ReadWriteOncePod: a rollout hangs, as the new Pod starts before the old one stops`,
		"path": "spec.template.spec.volumes[0].persistentVolumeClaim.claimName",
		"key": "claim=data,mode=ReadWriteOncePod,rollout",
	}} with input as workload("Deployment", 1, mounted(claim(["ReadWriteOncePod"], ebs)))
}

test_rollout_strategies[name] if {
	some name, expected in {
		"Recreate": {"strategy": {"type": "Recreate"}, "count": 0},
		"the old one first": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}, "count": 0},
		"both at once": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%", "maxSurge": 1}}, "count": 0},
		"no share": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "99%", "maxSurge": "0%"}}, "count": 0},
		"the new one first": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}, "count": 1},
		"shares": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "0%", "maxSurge": "100%"}}, "count": 1},
	}
	count(volume_access.deny) == expected.count with input as object.union(single, {"object": {"spec": {"strategy": expected.strategy}}})
}

test_no_pod_no_rollout if {
	volume_access.deny == set() with input as workload("Deployment", 0, mounted(claim(["ReadWriteOnce"], ebs)))
}

test_no_claims if volume_access.deny == set() with input as workload("Deployment", 3, {})
