# METADATA
# title: Deployments keep no state
# description: >-
#   The Pods of a Deployment come and go without stable names, so state belongs in S3, a database or a StatefulSet.
#   Every PersistentVolumeClaim that a Deployment mounts is reported, even one that it only reads, because it ties the
#   Pods to the location of the volume. Generic ephemeral volumes end with their Pod and are not reported. There is no
#   fix: only the author knows where the state should go.
# custom:
#   id: stateless-deployment
#   severity: low
#   section: 3.2.10, 3.4
#   kinds: [Deployment.apps]
#   default_mode: audit
#   remediation: "Keep the state in S3 or a database, or use kind: StatefulSet, whose volumeClaimTemplates give each Pod its own claim."
package taffrail.storage.stateless_deployment

deny contains finding if {
	some claim in input.claims
	claim.source == "volume"
	finding := {
		"msg": sprintf("claim %q keeps state in a Deployment, whose Pods are interchangeable", [claim.name]),
		"path": concat("", [claim.path, ".persistentVolumeClaim.claimName"]),
		"key": concat("=", ["claim", claim.name]),
	}
}
