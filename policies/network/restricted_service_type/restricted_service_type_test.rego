package taffrail.network.restricted_service_type_test

import data.taffrail.network.restricted_service_type

review(spec, types, external) := {
	"object": {"spec": spec},
	"parameters": {"types": types, "denyExternalIPs": external},
}

every_type := ["LoadBalancer", "NodePort", "ExternalName"]

test_load_balancer if {
	restricted_service_type.deny == {{
		"msg": "type LoadBalancer is not allowed in this namespace: it costs a load balancer of its own",
		"path": "spec.type",
		"key": "type=LoadBalancer",
	}} with input as review({"type": "LoadBalancer"}, ["LoadBalancer"], false)
}

test_every_restricted_type[type] if {
	some type in every_type
	some finding in restricted_service_type.deny with input as review({"type": type}, every_type, false)
	finding.key == concat("=", ["type", type])
}

test_only_the_restricted_types[type] if {
	some type in array.concat(["ClusterIP"], every_type)
	others := [other | some other in every_type; other != type]
	count(restricted_service_type.deny) == 0 with input as review({"type": type}, others, false)
	count(restricted_service_type.deny) == 0 with input as review({"type": type}, [], false)
}

# The API server refuses such a Service, or makes it a ClusterIP.
test_no_type_passes[name] if {
	some name, spec in {"absent": {}, "null": {"type": null}, "a number": {"type": 5}, "a list": {"type": ["LoadBalancer"]}, "no spec": null}
	count(restricted_service_type.deny) == 0 with input as review(spec, every_type, true)
}

test_no_object if {
	count(restricted_service_type.deny) == 0 with input as {"parameters": {"types": every_type, "denyExternalIPs": true}}
}

test_external_ips_are_a_parameter if {
	spec := {"type": "ClusterIP", "externalIPs": ["192.0.2.10"]}
	count(restricted_service_type.deny) == 0 with input as review(spec, every_type, false)
	restricted_service_type.deny == {{
		"msg": "external IP 192.0.2.10 is not allowed in this namespace: it can intercept the traffic of others",
		"path": "spec.externalIPs[0]",
		"key": "externalIP=192.0.2.10",
	}} with input as review(spec, every_type, true)
}

test_a_finding_for_each_external_ip if {
	spec := {"type": "LoadBalancer", "externalIPs": ["192.0.2.10", "192.0.2.11"]}
	{finding.key | some finding in restricted_service_type.deny} == {
		"type=LoadBalancer",
		"externalIP=192.0.2.10",
		"externalIP=192.0.2.11",
	} with input as review(spec, every_type, true)
}

test_odd_external_ips[name] if {
	some name, expected in {
		"null": {"ips": null, "count": 0},
		"empty": {"ips": [], "count": 0},
		"text": {"ips": "192.0.2.10", "count": 0},
		"a number": {"ips": [5], "count": 1},
	}
	count(restricted_service_type.deny) == expected.count with input as review({"externalIPs": expected.ips}, [], true)
}
