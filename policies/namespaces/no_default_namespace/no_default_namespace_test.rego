package taffrail.namespaces.no_default_namespace_test

import data.taffrail.namespaces.no_default_namespace
import future.keywords.not

review(kind, name, namespace) := {
	"origin": "validating",
	"subresource": "",
	"kind": kind,
	"name": name,
	"namespace": {"name": namespace},
	"object": {"metadata": {"name": name, "namespace": namespace}},
	"parameters": {"namespaces": ["default"]},
}

deployment := review("Deployment", "web", "default")

manifest(metadata) := object.union(review("Service", "web", "default"), {"origin": "manifest", "object": {"metadata": metadata}})

secret(type, annotations) := object.union(
	review("Secret", "token", "default"),
	{"object": {"type": type, "metadata": {"annotations": annotations}}},
)

messages contains finding.msg if some finding in no_default_namespace.deny

test_default if {
	no_default_namespace.deny == {{
		"msg": "namespace default is not for applications: they would share its quota, limits and RBAC",
		"path": "metadata.namespace",
		"key": "namespace=default",
	}} with input as deployment
}

test_another if {
	count(no_default_namespace.deny) == 0 with input as review("Deployment", "web", "eks-work")
	count(no_default_namespace.deny) == 0 with input as review("Deployment", "web", "")
}

test_parameter if {
	some finding in no_default_namespace.deny with input as object.union(
		review("Deployment", "web", "sandbox"),
		{"parameters": {"namespaces": ["default", "sandbox"]}},
	)
	finding.key == "namespace=sandbox"
	count(no_default_namespace.deny) == 0 with input as object.union(
		deployment,
		{"parameters": {"namespaces": []}},
	)
}

test_manifest_names_none[name] if {
	some name, namespace in {"null": null, "empty": "", "a number": 5}
	messages == {"no namespace is set, so the object goes to default unless -n names another"} with input as manifest({"namespace": namespace})
}

test_manifest_names_it if {
	messages == {"namespace default is not for applications: they would share its quota, limits and RBAC"} with input as manifest({"namespace": "default"})
}

test_what_belongs_there[name] if {
	some name, request in {
		"API server": review("Service", "kubernetes", "default"),
		"cluster CA": review("ConfigMap", "kube-root-ca.crt", "default"),
		"mesh CA": review("ConfigMap", "istio-ca-root-cert", "default"),
		"token": secret("kubernetes.io/service-account-token", {"kubernetes.io/service-account.name": "default"}),
		"release": secret("helm.sh/release.v1", {}),
	}
	count(no_default_namespace.deny) == 0 with input as request
}

test_what_does_not[name] if {
	some name, request in {
		"Service": review("Service", "web", "default"),
		"ConfigMap": review("ConfigMap", "kubernetes", "default"),
		"Service by the name of a ConfigMap": review("Service", "kube-root-ca.crt", "default"),
		"ConfigMap by the name of a Service": review("ConfigMap", "kubernetes", "default"),
		"Secret": secret("Opaque", {}),
		"another token": secret("kubernetes.io/service-account-token", {"kubernetes.io/service-account.name": "deployer"}),
		"no annotations": secret("kubernetes.io/service-account-token", null),
	}
	count(no_default_namespace.deny) == 1 with input as request
}

test_only_the_api_servers_own_service if {
	sandbox := {"parameters": {"namespaces": ["sandbox"]}}
	count(no_default_namespace.deny) == 1 with input as object.union(review("Service", "kubernetes", "sandbox"), sandbox)
	count(no_default_namespace.deny) == 0 with input as object.union(review("ConfigMap", "kube-root-ca.crt", "sandbox"), sandbox)
}

test_subresources_move_nothing[subresource] if {
	some subresource in ["ephemeralcontainers", "resize"]
	count(no_default_namespace.deny) == 0 with input as object.union(deployment, {"subresource": subresource})
}

test_audit_lists_the_owner if {
	made := object.union(review("ReplicaSet", "web-1", "default"), {"object": {"metadata": {"ownerReferences": [{
		"apiVersion": "apps/v1",
		"kind": "Deployment",
		"controller": true,
	}]}}})
	count(no_default_namespace.deny) == 1 with input as made
	count(no_default_namespace.deny) == 0 with input as object.union(made, {"origin": "live"})
}
