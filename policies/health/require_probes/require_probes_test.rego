package taffrail.health.require_probes_test

import data.taffrail.health.require_probes
import future.keywords.not

both := ["readinessProbe", "livenessProbe"]

handler := {"httpGet": {"path": "/health", "port": 8080}}

container(type, spec) := {"spec.containers[0]": {"name": "web", "type": type, "path": "spec.containers[0]", "spec": spec}}

review(containers, long_running, probes) := {
	"workload": {"longRunning": long_running},
	"containers": containers,
	"parameters": {"probes": probes},
}

app(spec) := review(container("app", spec), true, both)

paths contains finding.path if some finding in require_probes.deny

messages contains finding.msg if some finding in require_probes.deny

test_any_handler_will_do[kind] if {
	some kind in ["httpGet", "tcpSocket", "exec", "grpc"]
	probe := {kind: {"port": 8080}}
	count(require_probes.deny) == 0 with input as app({"readinessProbe": probe, "livenessProbe": probe})
}

test_one_finding_each if {
	require_probes.deny == {
		{
			"msg": "there is no readinessProbe, so the container gets traffic before it can answer",
			"path": "spec.containers[0].readinessProbe",
			"container": "web",
		},
		{
			"msg": "there is no livenessProbe, so the container is not restarted when it hangs",
			"path": "spec.containers[0].livenessProbe",
			"container": "web",
		},
	} with input as app({})
}

test_only_the_missing_one if {
	paths == {"spec.containers[0].livenessProbe"} with input as app({"readinessProbe": handler})
	paths == {"spec.containers[0].readinessProbe"} with input as app({"livenessProbe": handler})
}

test_null_is_missing if {
	messages == {"there is no readinessProbe, so the container gets traffic before it can answer"} with input as app({
		"readinessProbe": null,
		"livenessProbe": handler,
	})
}

test_no_handler_is_missing[name] if {
	some name, probe in {
		"empty": {},
		"text": "httpGet",
		"a number": 8080,
		"a list": [handler],
		"false": false,
		"only timings": {"periodSeconds": 10},
		"null handler": {"httpGet": null},
		"text handler": {"httpGet": "/health"},
		"list handler": {"tcpSocket": [8080]},
		"unknown handler": {"http": {"port": 8080}},
	}
	messages == {"the livenessProbe has no handler, so the container is not restarted when it hangs"} with input as app({
		"readinessProbe": handler,
		"livenessProbe": probe,
	})
}

test_types[type] if {
	some type, expected in {"app": 2, "sidecar": 2, "init": 0, "ephemeral": 0}
	count(require_probes.deny) == expected with input as review(container(type, {}), true, both)
}

test_what_ends_needs_none if {
	count(require_probes.deny) == 0 with input as review(container("app", {}), false, both)
}

test_no_workload if {
	count(require_probes.deny) == 0 with input as {"containers": {}, "parameters": {"probes": both}}
}

test_parameters[name] if {
	some name, expected in {
		"none": {"probes": [], "paths": set()},
		"startup": {"probes": ["startupProbe"], "paths": {"spec.containers[0].startupProbe"}},
		"twice": {"probes": ["livenessProbe", "livenessProbe"], "paths": {"spec.containers[0].livenessProbe"}},
		"all": {
			"probes": ["readinessProbe", "livenessProbe", "startupProbe"],
			"paths": {
				"spec.containers[0].readinessProbe",
				"spec.containers[0].livenessProbe",
				"spec.containers[0].startupProbe",
			},
		},
	}
	paths == expected.paths with input as review(container("app", {}), true, expected.probes)
}

test_every_probe_has_a_consequence if {
	every probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
		some message in messages with input as review(container("app", {}), true, [probe])
		startswith(message, sprintf("there is no %s, so ", [probe]))
	}
}

test_a_finding_per_container if {
	two := {
		"spec.containers[0]": {"name": "a", "type": "app", "path": "spec.containers[0]", "spec": {}},
		"spec.initContainers[0]": {"name": "b", "type": "sidecar", "path": "spec.initContainers[0]", "spec": {}},
	}
	count(require_probes.deny) == 4 with input as review(two, true, both)
}
