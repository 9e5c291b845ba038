# METADATA
# title: Claims
# description: The PersistentVolumeClaims of a workload's Pods.
package taffrail.lib.claims

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
