# METADATA
# title: Pods have an application label, and Services a selector
# description: >-
#   The Pods of every workload have a label that names the application, app or app.kubernetes.io/name, and every Service
#   except those of type ExternalName has a selector. The API server's own Service, kubernetes in namespace default,
#   needs none. A Service whose EndpointSlices are written by hand is reported too, because nothing in the Service shows
#   that they are. When existing objects are audited, an object that a built-in controller created from a template is
#   skipped if the template is audited too. There is no
#   fix: a new label can make another Service select the Pods, and only the author knows which Pods a Service is meant
#   to select.
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
#         description: Label keys; the Pods must have at least one of them.
package taffrail.labels.app_label

import data.taffrail.lib.owners
import future.keywords.not

deny contains finding if {
	input.subresource == ""
	path := input.workload.path
	not owners.listed_with_owner
	not labeled
	finding := {
		"msg": sprintf("the Pods have no label %s, so nothing identifies their application", [concat(" or ", labels)]),
		"path": trim_prefix(concat(".", [path, "metadata.labels"]), "."),
	}
}

deny contains finding if {
	input.kind == "Service"
	not input.object.spec.type == "ExternalName"
	not selective
	not of_the_api_server
	finding := {
		"msg": "there is no selector, so the Service selects no Pods",
		"path": "spec.selector",
	}
}

labels := input.parameters.labels

labeled if {
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
