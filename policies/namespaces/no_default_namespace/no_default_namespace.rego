# METADATA
# title: Applications have a namespace of their own
# description: >-
#   No part of an application is in namespace default, where quotas, LimitRanges, network policies and RBAC are not
#   those of any one application. Objects that Kubernetes, a service mesh or Helm keeps there by itself are allowed: the
#   API server's Service, the ConfigMaps of CA certificates that are in every namespace, a token of the ServiceAccount
#   that is in every namespace, and the record of a Helm release, whose objects are checked themselves. When existing
#   objects are audited, an object that a built-in controller created from a template is skipped if the template is
#   audited too. There is no fix: the namespace must exist, and everything that refers to the object must move with it.
# custom:
#   id: no-default-namespace
#   severity: low
#   section: 3.2.11
#   kinds:
#   - Pod
#   - Deployment.apps
#   - StatefulSet.apps
#   - DaemonSet.apps
#   - ReplicaSet.apps
#   - ReplicationController
#   - Job.batch
#   - CronJob.batch
#   - Service
#   - ConfigMap
#   - Secret
#   default_mode: warn
#   remediation: "Create a namespace for the application and set it, for example metadata: {namespace: eks-work}, or apply with -n eks-work."
#   parameters:
#     type: object
#     properties:
#       namespaces:
#         type: array
#         items:
#           type: string
#         default: [default]
#         description: The namespaces that are not for applications.
package taffrail.namespaces.no_default_namespace

import data.taffrail.lib.owners
import future.keywords.not

deny contains finding if {
	input.subresource == ""
	namespace := input.namespace.name
	namespace in input.parameters.namespaces
	not belongs
	not owners.listed_with_owner
	finding := {
		"msg": message,
		"path": "metadata.namespace",
		"key": concat("=", ["namespace", namespace]),
	}
}

message := sprintf("no namespace is set, so the object goes to %s unless -n names another", [input.namespace.name]) if {
	input.origin == "manifest"
	not named
} else := sprintf("namespace %s is not for applications: they would share its quota, limits and RBAC", [input.namespace.name])

named if {
	is_string(input.object.metadata.namespace)
	input.object.metadata.namespace != ""
}

belongs if {
	input.kind == "Service"
	input.name == "kubernetes"
	input.namespace.name == "default"
}

belongs if {
	input.kind == "ConfigMap"
	input.name in {"kube-root-ca.crt", "istio-ca-root-cert", "openshift-service-ca.crt"}
}

belongs if {
	input.kind == "Secret"
	input.object.type == "kubernetes.io/service-account-token"
	input.object.metadata.annotations["kubernetes.io/service-account.name"] == "default"
}

belongs if {
	input.kind == "Secret"
	input.object.type == "helm.sh/release.v1"
}
