# METADATA
# title: Volumes are shared only if they can be
# description: >-
#   EBS attaches a volume to one node. So no claim on EBS may request ReadOnlyMany, or ReadWriteMany without volumeMode
#   Block (io2 Multi-Attach), and the Pods of a workload may not share a claim that is ReadWriteOnce or
#   ReadWriteOncePod: other nodes get Multi-Attach errors. The Pods may share it if all of them must run on one node
#   (nodeName, the label kubernetes.io/hostname, a required podAffinity to it) or if its provisioner attaches nothing,
#   as for EFS. The templates of a StatefulSet and generic ephemeral volumes create a separate claim for each Pod. A
#   rollout of a Deployment with a single Pod and the strategy RollingUpdate hangs if the new Pod lands on another node.
#   Because the new Pod may also land on the same node, and because rolling-update warns about Recreate, that is only
#   recorded. With ReadWriteOncePod it always hangs. A disk that the Pods name directly (awsElasticBlockStore,
#   azureDisk, cinder, vsphereVolume, photonPersistentDisk, and, unless they only read it, gcePersistentDisk, iscsi, fc
#   and rbd) is treated like a claim that is ReadWriteOnce. A claim of less than 1 KiB has the wrong unit: storage: 10m
#   is 0.01 bytes. There is no fix: only the author knows whether the data should be shared, split or moved.
# custom:
#   id: volume-access
#   severity: high
#   section: "3.4"
#   kinds:
#   - Pod
#   - Deployment.apps
#   - StatefulSet.apps
#   - DaemonSet.apps
#   - ReplicaSet.apps
#   - ReplicationController
#   - Job.batch
#   - CronJob.batch
#   - PersistentVolumeClaim
#   default_mode: warn
#   remediation: "Give each Pod its own claim through the volumeClaimTemplates of a StatefulSet, or share files on EFS: accessModes: [ReadWriteMany] with storageClassName: efs-sc."
#   facts: [persistentVolumeClaims, storageClasses, horizontalPodAutoscalers]
#   parameters:
#     type: object
#     properties:
#       ebsClasses:
#         type: array
#         items:
#           type: string
#           pattern: '^[A-Za-z0-9.*-]+$'
#         default: [gp2, gp3, io1, io2, st1, sc1, "gp2-*", "gp3-*", "io1-*", "io2-*", ebs, "ebs-*", "*-ebs", auto-ebs-sc]
#         description: Names of storage classes that are assumed to be EBS if the class itself is not known. An asterisk matches any text.
#       sharedProvisioners:
#         type: array
#         items:
#           type: string
#         default: [efs.csi.aws.com, fsx.csi.aws.com, s3.csi.aws.com, nfs.csi.k8s.io]
#         description: Provisioners that attach no volume to a node, so that many Pods can mount even a volume that is ReadWriteOnce.
package taffrail.storage.volume_access

import data.taffrail.lib.claims
import data.taffrail.lib.quantities
import future.keywords.not

# The mode is reported where the claim is created, not wherever a volume names it.
deny contains finding if {
	some path, claim in input.claims
	claim.source != "volume"
	some mode in {"ReadWriteMany", "ReadOnlyMany"}
	mode in claim.accessModes
	ebs(claim.provisioner, claim.storageClass)
	not multi_attach(claim.volumeMode, mode)
	finding := {
		"msg": sprintf("EBS does not support %s: it attaches a volume to one node, so the claim stays Pending", [mode]),
		"path": modes_path(path),
		"key": sprintf("claim=%s,mode=%s", [claim.name, mode]),
	}
}

deny contains finding if {
	some path, claim in input.claims
	claim.source != "volume"
	some mode in {"ReadWriteMany", "ReadOnlyMany"}
	mode in claim.accessModes
	claim.storageClass == null
	not multi_attach(claim.volumeMode, mode)
	finding := {
		"msg": sprintf("EBS does not support %s", [mode]),
		"path": modes_path(path),
		"key": sprintf("claim=%s,mode=%s", [claim.name, mode]),
		"unknown": "the default StorageClass is not known",
	}
}

deny contains finding if {
	some claim in input.claims
	claim.source == "volume"
	pods.many
	mode := exclusive(claim.accessModes)
	not shareable(mode, claim.provisioner)
	finding := {
		"msg": sprintf("claim %q is %s, but %s use it: %s", [claim.name, mode, pods.words, consequences[mode]]),
		"path": concat("", [claim.path, ".persistentVolumeClaim.claimName"]),
		"key": sprintf("claim=%s,mode=%s,shared", [claim.name, mode]),
	}
}

deny contains finding if {
	some claim in input.claims
	not claim.known
	pods.many
	not one_node
	finding := {
		"msg": sprintf("claim %q must be ReadWriteMany for %s", [claim.name, pods.words]),
		"path": concat("", [claim.path, ".persistentVolumeClaim.claimName"]),
		"key": sprintf("claim=%s,shared", [claim.name]),
		"unknown": sprintf("claim %q is not known", [claim.name]),
	}
}

deny contains object.union(finding, ceilings[mode]) if {
	some claim in input.claims
	claim.source == "volume"
	new_before_old
	mode := exclusive(claim.accessModes)
	not shareable(mode, claim.provisioner)
	finding := {
		"msg": sprintf("claim %q is %s: a rollout hangs%s", [claim.name, mode, hangs[mode]]),
		"path": concat("", [claim.path, ".persistentVolumeClaim.claimName"]),
		"key": sprintf("claim=%s,mode=%s,rollout", [claim.name, mode]),
	}
}

deny contains finding if {
	some path, disk in claims.disks
	pods.many
	not one_node
	finding := {
		"msg": sprintf("%s attaches to one node, but %s use volume %q", [disk.type, pods.words, disk.name]),
		"path": concat(".", [input.workload.specPath, path]),
		"key": sprintf("volume=%s,type=%s,shared", [disk.name, disk.type]),
	}
}

deny contains object.union(finding, ceilings.ReadWriteOnce) if {
	some path, disk in claims.disks
	new_before_old
	not one_node
	finding := {
		"msg": sprintf("%s attaches to one node: a rollout hangs if the new Pod lands on another", [disk.type]),
		"path": concat(".", [input.workload.specPath, path]),
		"key": sprintf("volume=%s,type=%s,rollout", [disk.name, disk.type]),
	}
}

deny contains finding if {
	some path, spec in requested
	wrong := quantities.too_few_bytes("storage", spec.resources.requests.storage)
	finding := {
		"msg": wrong,
		"path": concat(".", [path, "resources.requests.storage"]),
	}
}

# The specs of the claims that the object creates.
requested["spec"] := input.object.spec if input.kind == "PersistentVolumeClaim"

requested[path] := template.spec if {
	input.kind == "StatefulSet"
	some i, template in input.object.spec.volumeClaimTemplates
	path := sprintf("spec.volumeClaimTemplates[%d].spec", [i])
}

requested[path] := volume.ephemeral.volumeClaimTemplate.spec if {
	some i, volume in input.workload.pod.spec.volumes
	path := sprintf("%s.volumes[%d].ephemeral.volumeClaimTemplate.spec", [input.workload.specPath, i])
}

provisioners := {"ebs.csi.aws.com", "ebs.csi.eks.amazonaws.com", "kubernetes.io/aws-ebs"}

ebs(provisioner, _) if provisioner in provisioners

ebs("", class) if {
	is_string(class)
	count(class) <= 253
	some pattern in input.parameters.ebsClasses
	glob.match(pattern, null, class)
}

# METADATA
# title: io2 volumes can be attached to several nodes
multi_attach("Block", "ReadWriteMany")

modes_path("") := "spec.accessModes"

modes_path(path) := concat("", [path, ".spec.accessModes"]) if path != ""

# METADATA
# title: The mode of a claim that only one node, or one Pod, can use
exclusive(modes) := "ReadWriteOncePod" if {
	"ReadWriteOncePod" in modes
} else := "ReadWriteOnce" if {
	"ReadWriteOnce" in modes
	not "ReadWriteMany" in modes
	not "ReadOnlyMany" in modes
}

shareable("ReadWriteOnce", _) if one_node

shareable("ReadWriteOnce", provisioner) if provisioner in input.parameters.sharedProvisioners

one_node if {
	not input.kind == "DaemonSet"
	not object.get(input.workload.pod.spec, "nodeName", "") in {"", null}
}

one_node if input.workload.pod.spec.nodeSelector["kubernetes.io/hostname"]

one_node if {
	not input.kind == "DaemonSet"
	some term in input.workload.pod.spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution
	term.topologyKey == "kubernetes.io/hostname"
}

# METADATA
# title: The number of Pods that the workload has at a time
pods := {"many": true, "words": "Pods on every node"} if {
	input.kind == "DaemonSet"
} else := {"many": number > 1, "words": sprintf("up to %d Pods", [number])} if {
	number := input.workload.pods.most
}

consequences := {
	"ReadWriteOnce": "other nodes get Multi-Attach errors",
	"ReadWriteOncePod": "all but one stay Pending",
}

# METADATA
# title: A rollout of a single Pod waits for the new Pod
new_before_old if {
	not pods.many
	input.workload.pods.steady == 1
	input.workload.pods.surge > 0
	input.workload.pods.unavailable == 0
}

hangs := {
	"ReadWriteOnce": " if the new Pod lands on another node",
	"ReadWriteOncePod": ", because the new Pod starts before the old one stops",
}

ceilings := {
	"ReadWriteOnce": {"at_most": "audit"},
	"ReadWriteOncePod": {},
}
