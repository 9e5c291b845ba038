# METADATA
# title: Claims
# description: The PersistentVolumeClaims of a workload's Pods.
package taffrail.lib.claims

import future.keywords.not

# METADATA
# title: The Pods mount a claim that all of them share
# description: >-
#   A disk that one node at a time can attach must be let go before the next Pod has it, so neither two replicas nor a
#   new one beside the old one can be asked for. Which claims are such disks, the object does not tell. An ephemeral
#   volume is each Pod's own and does not count.
mounted if {
	some volume in input.workload.pod.spec.volumes
	is_object(volume.persistentVolumeClaim)
}

mounted if some _ in disks

# METADATA
# title: Disks that the Pods name themselves and that attach to one node
# description: By the path of the field in the spec of the Pods.
disks[path] := {"name": object.get(volume, "name", ""), "type": type} if {
	some i, volume in input.workload.pod.spec.volumes
	some type, readers in attached
	is_object(volume[type])
	not shared_by_readers(readers, volume[type])
	path := sprintf("volumes[%d].%s", [i, type])
}

# Those that any number of nodes may attach to read are true.
attached := {
	"awsElasticBlockStore": false,
	"azureDisk": false,
	"cinder": false,
	"fc": true,
	"gcePersistentDisk": true,
	"iscsi": true,
	"photonPersistentDisk": false,
	"rbd": true,
	"vsphereVolume": false,
}

shared_by_readers(readers, disk) if {
	readers
	disk.readOnly == true
}
