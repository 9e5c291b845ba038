# METADATA
# title: Claims
# description: The PersistentVolumeClaims of a workload's Pods.
package taffrail.lib.claims

import future.keywords.not

# METADATA
# title: The Pods mount a claim that all of them share
# description: >-
#   A disk that attaches to one node at a time must be detached before the next Pod can use it, so a policy can require
#   neither two replicas nor a new one next to the old one. The object does not show which claims are such disks. An
#   ephemeral volume belongs to a single Pod and does not count.
mounted if {
	some volume in input.workload.pod.spec.volumes
	is_object(volume.persistentVolumeClaim)
}

mounted if some _ in disks

# METADATA
# title: Disks that the Pods name directly and that attach to one node
# description: Keyed by the path of the field in the spec of the Pods.
disks[path] := {"name": object.get(volume, "name", ""), "type": type} if {
	some i, volume in input.workload.pod.spec.volumes
	some type, readers in attached
	is_object(volume[type])
	not shared_by_readers(readers, volume[type])
	path := sprintf("volumes[%d].%s", [i, type])
}

# True if any number of nodes may attach the disk to read from it.
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
