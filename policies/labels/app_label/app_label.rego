# METADATA
# title: Pods say which application they are, and Services find them
# description: >-
#   The Pods of every workload carry a label that names the application, app or app.kubernetes.io/name, and every Service
#   but those of type ExternalName has a selector. The API server's own Service, kubernetes in namespace default, needs
#   none. A Service whose EndpointSlices somebody writes by hand is pointed out too: nothing in it tells that they do. An
#   audit leaves out what a built-in controller made from a template that it lists. There is no fix: a new label can make
#   Pods the target of somebody's Service, and which Pods a Service means is for the author to say.
# custom:
#   id: app-label
#   severity: low
#   section: 3.2.2
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
#   default_mode: warn
#   remediation: "Label the Pods, for example labels: {app: backend-app}, and select them in the Service: selector: {app: backend-app}."
#   parameters:
#     type: object
#     properties:
#       labels:
#         type: array
#         minItems: 1
#         items:
#           type: string
#           minLength: 1
#         default: [app, app.kubernetes.io/name]
#         description: The labels of which the Pods carry at least one.
package taffrail.labels.app_label

import data.taffrail.lib.owners
import future.keywords.not

deny contains finding if {
	input.subresource == ""
	path := input.workload.path
	not owners.listed_with_owner
	not labelled
	finding := {
		"msg": sprintf("the Pods have no label %s, so nothing tells which application they are", [concat(" or ", labels)]),
		"path": trim_prefix(concat(".", [path, "metadata.labels"]), "."),
	}
}

deny contains finding if {
	input.kind == "Service"
	not input.object.spec.type == "ExternalName"
	not selective
	not of_the_api_server
	finding := {
		"msg": "there is no selector, so the Service finds no Pods",
		"path": "spec.selector",
	}
}

labels := input.parameters.labels

labelled if {
	some label in labels
	value := input.workload.pod.metadata.labels[label]
	is_string(value)
	value != ""
}

selective if {
	selector := input.object.spec.selector
	is_object(selector)
	selector != {}
}

of_the_api_server if {
	input.name == "kubernetes"
	input.namespace.name == "default"
}
