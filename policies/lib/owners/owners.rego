# METADATA
# title: Owners
# description: What an object's ownerReferences tell. Anyone can write them, so at admission they excuse nothing that could be denied.
package taffrail.lib.owners

# METADATA
# title: A controller looks after the object
controlled if {
	some owner in input.object.metadata.ownerReferences
	owner.controller == true
}

# METADATA
# title: An audit lists the owner, for the template that the object was made from
# description: >-
#   At admission nothing needs to be left out: there the built-in controllers are known by their user name, and neither
#   denied nor warned.
listed_with_owner if {
	input.origin == "live"
	input.kind in {"Pod", "ReplicaSet", "Job"}
	some owner in input.object.metadata.ownerReferences
	owner.controller == true
	owner.kind in makers[owner.apiVersion]
}

makers := {
	"apps/v1": {"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"},
	"batch/v1": {"CronJob", "Job"},
	"v1": {"ReplicationController"},
}
