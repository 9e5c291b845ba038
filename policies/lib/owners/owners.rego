# METADATA
# title: Owners
# description: >-
#   What the ownerReferences of an object reveal. Anyone can write them, so at admission they exempt nothing from being
#   denied.
package taffrail.lib.owners

# METADATA
# title: The object has a controller
controlled if {
	some owner in input.object.metadata.ownerReferences
	owner.controller == true
}

# METADATA
# title: An audit also lists the owner, which has the template that the object was made from
# description: >-
#   Nothing needs to be skipped at admission: there, built-in controllers are recognized by their user names, and
#   neither denied nor warned.
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
