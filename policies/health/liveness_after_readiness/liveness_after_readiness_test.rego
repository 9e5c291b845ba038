package taffrail.health.liveness_after_readiness_test

import data.taffrail.health.liveness_after_readiness

defaults := {"httpGet": {"port": 8080}, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}

probe(times) := object.union(defaults, times)

review(type, spec, long_running, strict) := {
	"workload": {"longRunning": long_running},
	"containers": {"spec.containers[0]": {
		"name": "web",
		"type": type,
		"path": "spec.containers[0]",
		"pointer": "/spec/containers/0",
		"spec": spec,
	}},
	"parameters": {"initialDelays": strict},
}

app(liveness, readiness) := review("app", {"livenessProbe": liveness, "readinessProbe": readiness}, true, false)

strict(liveness, readiness) := review("app", {"livenessProbe": liveness, "readinessProbe": readiness}, true, true)

early := app(probe({"initialDelaySeconds": 5}), probe({"initialDelaySeconds": 60}))

test_too_early if {
	liveness_after_readiness.deny == {{
		"msg": "its livenessProbe can restart it after 25s, but readiness takes at least 60s",
		"path": "spec.containers[0].livenessProbe.initialDelaySeconds",
		"container": "web",
		"excess": 36,
		"fix": [{"op": "add", "path": "/spec/containers/0/livenessProbe/initialDelaySeconds", "value": 41}],
	}} with input as early
}

test_later_is_later_by_a_second[name] if {
	some name, case in {
		"by a second": {"liveness": {"initialDelaySeconds": 11, "failureThreshold": 1}, "readiness": {"initialDelaySeconds": 10}, "count": 0},
		"at the same second": {"liveness": {"initialDelaySeconds": 10, "failureThreshold": 1}, "readiness": {"initialDelaySeconds": 10}, "count": 1},
		"by the failures": {"liveness": {"failureThreshold": 2}, "readiness": {"initialDelaySeconds": 9}, "count": 0},
		"not by the failures": {"liveness": {"failureThreshold": 2}, "readiness": {"initialDelaySeconds": 10}, "count": 1},
		"by the successes": {"liveness": {}, "readiness": {"successThreshold": 3}, "count": 1},
		"by the periods": {"liveness": {"periodSeconds": 11}, "readiness": {"successThreshold": 3}, "count": 0},
		"plain defaults": {"liveness": {}, "readiness": {}, "count": 0},
	}
	count(liveness_after_readiness.deny) == case.count with input as app(probe(case.liveness), probe(case.readiness))
}

test_plain_delays_by_parameter if {
	same := strict(probe({}), probe({}))
	liveness_after_readiness.deny == {{
		"msg": "initialDelaySeconds is 0, but must be greater than the readinessProbe's 0",
		"path": "spec.containers[0].livenessProbe.initialDelaySeconds",
		"container": "web",
		"excess": 1,
		"fix": [{"op": "add", "path": "/spec/containers/0/livenessProbe/initialDelaySeconds", "value": 1}],
	}} with input as same
	count(liveness_after_readiness.deny) == 0 with input as strict(probe({"initialDelaySeconds": 1}), probe({}))
}

test_plain_delays_do_not_replace_the_rest if {
	some finding in liveness_after_readiness.deny with input as strict(
		probe({"initialDelaySeconds": 5, "failureThreshold": 1}),
		probe({"successThreshold": 2}),
	)
	finding.msg == "its livenessProbe can restart it after 5s, but readiness takes at least 10s"
	finding.fix[0].value == 11
}

test_a_startup_probe_holds_it_back[name] if {
	some name, case in {
		"httpGet": {"probe": {"httpGet": {"port": 1}}, "count": 0},
		"exec": {"probe": {"exec": {"command": ["/ready"]}}, "count": 0},
		"tcpSocket": {"probe": {"tcpSocket": {"port": 1}}, "count": 0},
		"grpc": {"probe": {"grpc": {"port": 1}}, "count": 0},
		"no handler": {"probe": {"failureThreshold": 30}, "count": 1},
		"null": {"probe": null, "count": 1},
		"null handler": {"probe": {"httpGet": null}, "count": 1},
		"text": {"probe": "httpGet", "count": 1},
	}
	spec := object.union(early.containers["spec.containers[0]"].spec, {"startupProbe": case.probe})
	count(liveness_after_readiness.deny) == case.count with input as review("app", spec, true, false)
}

test_a_missing_probe_is_not_its_business[name] if {
	some name, missing in {"null": null, "no handler": {"periodSeconds": 10}, "text": "probe", "list": []}
	count(liveness_after_readiness.deny) == 0 with input as app(missing, probe({"initialDelaySeconds": 60}))
	count(liveness_after_readiness.deny) == 0 with input as app(probe({"failureThreshold": 1}), missing)
	count(liveness_after_readiness.deny) == 0 with input as review("app", {}, true, false)
}

test_odd_times_are_found[name] if {
	some name, about in {
		"text delay": app(probe({"initialDelaySeconds": "60"}), probe({})),
		"false delay": app(probe({}), probe({"initialDelaySeconds": false})),
		"text period": app(probe({}), probe({"periodSeconds": "10"})),
		"false successes": app(probe({}), probe({"successThreshold": false})),
		"list of failures": app(probe({"failureThreshold": [3]}), probe({})),
		"object of successes": app(probe({}), probe({"successThreshold": {}})),
	}
	liveness_after_readiness.deny == {{
		"msg": "a probe has a time that is not a number, so the API server rejects it",
		"path": "spec.containers[0].livenessProbe.initialDelaySeconds",
		"container": "web",
	}} with input as about
}

test_missing_times_are_the_defaults if {
	bare := {"httpGet": {"port": 8080}}
	count(liveness_after_readiness.deny) == 0 with input as app(bare, object.union(bare, {"initialDelaySeconds": 19}))
	count(liveness_after_readiness.deny) == 1 with input as app(bare, object.union(bare, {"initialDelaySeconds": 20}))
}

test_types[type] if {
	some type, expected in {"app": 1, "sidecar": 1, "init": 0, "ephemeral": 0}
	spec := early.containers["spec.containers[0]"].spec
	count(liveness_after_readiness.deny) == expected with input as review(type, spec, true, false)
	count(liveness_after_readiness.deny) == 0 with input as review(type, spec, false, false)
}
