package taffrail.shutdown.shutdown_budget_test

import data.taffrail.shutdown.require_prestop
import data.taffrail.shutdown.shutdown_budget

container(name, type, spec) := {
	"name": name,
	"type": type,
	"path": sprintf("spec.template.spec.containers[%s]", [name]),
	"pointer": sprintf("/spec/template/spec/containers/%s", [name]),
	"spec": spec,
}

ports := [{"containerPort": 8080}]

sleeps(seconds) := {"ports": ports, "lifecycle": {"preStop": {"sleep": {"seconds": seconds}}}}

review(containers, pod, margin) := {
	"workload": {"longRunning": true, "specPath": "spec.template.spec", "pod": {"spec": pod}},
	"containers": {about.path: about | some about in containers},
	"parameters": {"marginSeconds": margin},
}

grace(seconds) := {"terminationGracePeriodSeconds": seconds}

app(spec, pod) := review([container("0", "app", spec)], pod, 5)

messages contains finding.msg if some finding in shutdown_budget.deny

test_too_long if {
	shutdown_budget.deny == {{
		"msg": "the preStop hook waits 40s, but SIGKILL cuts it off after 30s",
		"path": "spec.template.spec.terminationGracePeriodSeconds",
		"container": "0",
		"excess": 15,
		"fix": [{"op": "add", "path": "/spec/template/spec/terminationGracePeriodSeconds", "value": 45}],
	}} with input as app(sleeps(40), grace(30))
}

test_no_margin_left if {
	messages == {"the preStop hook waits 26s of 30s until SIGKILL, leaving less than 5s to shut down"} with input as app(
		sleeps(26),
		grace(30),
	)
}

test_bounds[name] if {
	some name, case in {
		"fits": {"wait": 25, "pod": grace(30), "margin": 5, "count": 0},
		"a second less": {"wait": 25, "pod": grace(29), "margin": 5, "count": 1},
		"a fraction less": {"wait": 25.5, "pod": grace(30), "margin": 5, "count": 1},
		"no margin": {"wait": 30, "pod": grace(30), "margin": 0, "count": 0},
		"longest margin": {"wait": 1, "pod": grace(3600), "margin": 3600, "count": 1},
		"default": {"wait": 26, "pod": {}, "margin": 5, "count": 1},
		"default fits": {"wait": 25, "pod": {}, "margin": 5, "count": 0},
		"null": {"wait": 26, "pod": grace(null), "margin": 5, "count": 1},
		"null fits": {"wait": 25, "pod": grace(null), "margin": 5, "count": 0},
		"none": {"wait": 1, "pod": grace(0), "margin": 0, "count": 1},
		"negative": {"wait": 1, "pod": grace(-1), "margin": 0, "count": 1},
		"no wait": {"wait": 0, "pod": grace(0), "margin": 5, "count": 0},
	}
	request := review([container("0", "app", sleeps(case.wait))], case.pod, case.margin)
	count(shutdown_budget.deny) == case.count with input as request
}

test_odd_grace_periods[name] if {
	some name, value in {"text": "60", "false": false, "list": [60], "object": {}}
	shutdown_budget.deny == {{
		"msg": "terminationGracePeriodSeconds is not a number, so the API server rejects it",
		"path": "spec.template.spec.terminationGracePeriodSeconds",
		"container": "0",
	}} with input as app(sleeps(5), grace(value))
}

test_unknown_length_is_no_finding[name] if {
	some name, hook in {
		"httpGet": {"httpGet": {"port": 8080}},
		"program": {"exec": {"command": ["/drain.sh"]}},
		"null": null,
		"nothing": {},
		"sleep of text": {"sleep": {"seconds": "100"}},
	}
	count(shutdown_budget.deny) == 0 with input as app({"ports": ports, "lifecycle": {"preStop": hook}}, grace(0))
}

test_the_fix_is_for_the_longest_wait if {
	found := {finding.container: finding.fix[0].value | some finding in shutdown_budget.deny} with input as review(
		[
			container("0", "app", sleeps(28)),
			container("1", "app", sleeps(50.2)),
			container("2", "app", sleeps(5)),
		],
		grace(30), 5,
	)
	found == {"0": 56, "1": 56}
}

test_a_pod_has_no_prefix if {
	request := object.union(app(sleeps(40), grace(30)), {"workload": {"specPath": "spec"}})
	some finding in shutdown_budget.deny with input as request
	finding.path == "spec.terminationGracePeriodSeconds"
	finding.fix[0].path == "/spec/terminationGracePeriodSeconds"
}

test_types[type] if {
	some type, expected in {"app": 1, "sidecar": 0, "init": 0, "ephemeral": 0}
	count(shutdown_budget.deny) == expected with input as review([container("0", type, sleeps(40))], grace(30), 5)
}

test_no_ports_no_requests if {
	count(shutdown_budget.deny) == 0 with input as app(object.remove(sleeps(40), ["ports"]), grace(30))
}

test_what_ends_is_not_looked_at if {
	ends := object.union(app(sleeps(40), grace(30)), {"workload": {"longRunning": false}})
	count(shutdown_budget.deny) == 0 with input as ends
}

hook_parameters := {"seconds": 5, "marginSeconds": 10, "ignoredPorts": []}

# What require-prestop proposes is never too long, at either end of what it accepts.
test_agrees_with_require_prestop[period] if {
	some period, expected in {15: 1, 30: 1, 14: 0, 0: 0}
	proposed := [finding.fix[0].value | some finding in require_prestop.deny] with input as app({"ports": ports}, grace(period))
		with input.parameters as hook_parameters
	count(proposed) == expected
	every lifecycle in proposed {
		count(shutdown_budget.deny) == 0 with input as app({"ports": ports, "lifecycle": lifecycle}, grace(period))
	}
}

# What this policy proposes leaves the hook alone, so require-prestop stays satisfied.
test_leaves_require_prestop_alone if {
	fixes := [finding.fix[0].value | some finding in shutdown_budget.deny] with input as app(sleeps(40), grace(30))
	count(fixes) == 1
	count(require_prestop.deny) == 0 with input as app(sleeps(40), grace(fixes[0])) with input.parameters as hook_parameters
	count(shutdown_budget.deny) == 0 with input as app(sleeps(40), grace(fixes[0]))
}
