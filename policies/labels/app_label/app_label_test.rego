package taffrail.labels.app_label_test

import data.taffrail.labels.app_label
import future.keywords.not

both := ["app", "app.kubernetes.io/name"]

workload(path, metadata, names) := {
	"origin": "manifest",
	"subresource": "",
	"kind": "Deployment",
	"workload": {"path": path, "pod": {"metadata": metadata}},
	"parameters": {"labels": names},
}

labels(value) := workload("spec.template", {"labels": value}, both)

service(spec) := {
	"subresource": "",
	"kind": "Service",
	"name": "web",
	"namespace": {"name": "default"},
	"object": {"spec": spec},
	"parameters": {"labels": both},
}

test_no_label if {
	app_label.deny == {{
		"msg": "the Pods have no label app or app.kubernetes.io/name, so nothing identifies their application",
		"path": "spec.template.metadata.labels",
	}} with input as labels({})
}

test_path_of_a_pod if {
	{finding.path | some finding in app_label.deny} == {"metadata.labels"} with input as workload("", {}, both)
}

test_any_label_will_do[name] if {
	some name in both
	count(app_label.deny) == 0 with input as labels({name: "web"})
}

test_no_value_is_no_label[name] if {
	some name, value in {
		"empty": {"app": ""},
		"null": {"app": null},
		"number": {"app": 5},
		"object": {"app": {}},
		"other names": {"k8s-app": "web", "name": "web", "component": "api"},
		"no labels": null,
		"text": "app",
		"list": ["app"],
	}
	count(app_label.deny) == 1 with input as labels(value)
}

test_odd_metadata[name] if {
	some name, metadata in {"null": null, "text": "app", "empty": {}}
	count(app_label.deny) == 1 with input as workload("spec.template", metadata, both)
}

test_parameter if {
	count(app_label.deny) == 0 with input as workload("spec.template", {"labels": {"team": "shop"}}, ["team"])
	{finding.msg | some finding in app_label.deny} == {"the Pods have no label team, so nothing identifies their application"} with input as workload("spec.template", {"labels": {"app": "web"}}, ["team"])
}

test_subresources_change_no_label[subresource] if {
	some subresource in ["ephemeralcontainers", "resize"]
	count(app_label.deny) == 0 with input as object.union(labels({}), {"subresource": subresource})
}

test_audit_lists_the_owner if {
	pod := object.union(workload("", {}, both), {
		"kind": "Pod",
		"object": {"metadata": {"ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": true}]}},
	})
	count(app_label.deny) == 1 with input as pod
	count(app_label.deny) == 0 with input as object.union(pod, {"origin": "live"})
}

test_no_selector[name] if {
	some name, spec in {
		"absent": {"type": "ClusterIP"},
		"null": {"selector": null},
		"empty": {"selector": {}},
		"text": {"selector": "app=web"},
		"list": {"selector": ["app"]},
		"headless": {"clusterIP": "None"},
		"no spec": null,
	}
	app_label.deny == {{
		"msg": "there is no selector, so the Service selects no Pods",
		"path": "spec.selector",
	}} with input as service(spec)
}

test_selector if count(app_label.deny) == 0 with input as service({"selector": {"app": "web"}})

test_external_name if count(app_label.deny) == 0 with input as service({"type": "ExternalName"})

test_service_of_the_api_server if {
	own := object.union(service({}), {"name": "kubernetes"})
	count(app_label.deny) == 0 with input as own
	count(app_label.deny) == 1 with input as object.union(own, {"namespace": {"name": "other"}})
}
