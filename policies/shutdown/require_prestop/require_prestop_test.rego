package taffrail.shutdown.require_prestop_test

import data.taffrail.shutdown.require_prestop
import future.keywords.not

ports := [{"containerPort": 8080}]

prefix := "spec.template.spec.containers[0]"

review(type, spec, grace, seconds) := {
	"workload": {"longRunning": true, "pod": {"spec": grace}},
	"containers": {prefix: {
		"name": "web",
		"type": type,
		"path": prefix,
		"pointer": "/spec/template/spec/containers/0",
		"spec": spec,
	}},
	"parameters": {"seconds": seconds, "marginSeconds": 10, "ignoredPorts": ["metrics"]},
}

grace(period) := {"terminationGracePeriodSeconds": period}

app(spec) := review("app", spec, grace(30), 5)

hook(value) := app({"ports": ports, "lifecycle": {"preStop": value}})

fixes contains finding.fix if some finding in require_prestop.deny

messages contains finding.msg if some finding in require_prestop.deny

test_no_lifecycle if {
	require_prestop.deny == {{
		"msg": "there is no preStop hook, so the container is still sent requests after SIGTERM",
		"path": "spec.template.spec.containers[0].lifecycle.preStop",
		"container": "web",
		"fix": [{
			"op": "add",
			"path": "/spec/template/spec/containers/0/lifecycle",
			"value": {"preStop": {"sleep": {"seconds": 5}}},
		}],
	}} with input as app({"ports": ports})
}

test_hooks_that_wait[name] if {
	some name, value in {
		"exec": {"exec": {"command": ["/bin/sh", "-c", "sleep 2"]}},
		"sleep": {"sleep": {"seconds": 1}},
		"httpGet": {"httpGet": {"path": "/drain", "port": 8080}},
	}
	count(require_prestop.deny) == 0 with input as hook(value)
}

test_hooks_that_do_not_wait[name] if {
	some name, value in {
		"exec": {"exec": {"command": ["/bin/true"]}},
		"sleep": {"sleep": {"seconds": 0}},
		"tcpSocket": {"tcpSocket": {"port": 8080}},
		"text": "sleep",
		"false": false,
	}
	messages == {"the preStop hook does not wait, so the container is still sent requests after SIGTERM"} with input as hook(value)
	fixes == set() with input as hook(value)
}

test_no_hook_in_a_lifecycle[name] if {
	some name, lifecycle in {
		"other hook": {"postStart": {"exec": {"command": ["/start"]}}},
		"null hook": {"preStop": null},
		"empty hook": {"preStop": {}},
		"nothing": {},
	}
	request := app({"ports": ports, "lifecycle": lifecycle})
	messages == {"there is no preStop hook, so the container is still sent requests after SIGTERM"} with input as request
	fixes == {[{
		"op": "add",
		"path": "/spec/template/spec/containers/0/lifecycle/preStop",
		"value": {"sleep": {"seconds": 5}},
	}]} with input as request
}

test_null_lifecycle_is_replaced if {
	some fix in fixes with input as app({"ports": ports, "lifecycle": null})
	fix[0].path == "/spec/template/spec/containers/0/lifecycle"
}

test_odd_lifecycle_is_not_fixed[name] if {
	some name, lifecycle in {"text": "preStop", "list": [], "false": false}
	count(require_prestop.deny) == 1 with input as app({"ports": ports, "lifecycle": lifecycle})
	fixes == set() with input as app({"ports": ports, "lifecycle": lifecycle})
}

test_no_ports_no_hook[name] if {
	some name, value in {"empty": [], "null": null, "text": "8080", "object": {}}
	count(require_prestop.deny) == 0 with input as app({"ports": value})
}

test_ports_absent if count(require_prestop.deny) == 0 with input as app({})

test_types[type] if {
	some type, expected in {"app": 1, "sidecar": 0, "init": 0, "ephemeral": 0}
	count(require_prestop.deny) == expected with input as review(type, {"ports": ports}, grace(30), 5)
}

test_what_ends_needs_none if {
	ends := object.union(app({"ports": ports}), {"workload": {"longRunning": false}})
	count(require_prestop.deny) == 0 with input as ends
}

test_grace_period_leaves_room[name] if {
	some name, expected in {
		"enough": {"spec": grace(15), "seconds": 5, "fixes": 1},
		"too little": {"spec": grace(14), "seconds": 5, "fixes": 0},
		"none": {"spec": grace(0), "seconds": 1, "fixes": 0},
		"least": {"spec": grace(11), "seconds": 1, "fixes": 1},
		"default": {"spec": {}, "seconds": 20, "fixes": 1},
		"default too little": {"spec": {}, "seconds": 21, "fixes": 0},
		"null": {"spec": grace(null), "seconds": 20, "fixes": 1},
		"text": {"spec": grace("30"), "seconds": 5, "fixes": 0},
		"most": {"spec": grace(3610), "seconds": 3600, "fixes": 1},
	}
	request := review("app", {"ports": ports}, expected.spec, expected.seconds)
	count(require_prestop.deny) == 1 with input as request
	count(fixes) == expected.fixes with input as request
}

test_margin[margin] if {
	some margin, expected in {0: 1, 25: 1, 26: 0}
	request := app({"ports": ports})
	count(fixes) == expected with input as request with input.parameters.marginSeconds as margin
}
