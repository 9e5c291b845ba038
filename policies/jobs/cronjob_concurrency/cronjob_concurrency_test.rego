package taffrail.jobs.cronjob_concurrency_test

import data.taffrail.jobs.cronjob_concurrency
import future.keywords.not

review(spec, allowed) := {"object": {"spec": spec}, "parameters": {"cronjob-concurrency": {"allowed": allowed}}}

policy(value) := review({"concurrencyPolicy": value}, ["Forbid", "Replace"])

messages contains finding.msg if some finding in cronjob_concurrency.deny

fixes contains finding.fix[0].value if some finding in cronjob_concurrency.deny

test_allow if {
	cronjob_concurrency.deny == {{
		"msg": "concurrencyPolicy is Allow, so a run starts while the last one is still going",
		"path": "spec.concurrencyPolicy",
		"key": "concurrencyPolicy=Allow",
		"fix": [{"op": "add", "path": "/spec/concurrencyPolicy", "value": "Forbid"}],
	}} with input as policy("Allow")
}

test_allowed[value] if {
	some value in ["Forbid", "Replace"]
	count(cronjob_concurrency.deny) == 0 with input as policy(value)
}

test_no_policy[name] if {
	some name, value in {"another case": "forbid", "empty": "", "number": 1, "null": null, "false": false, "list": ["Forbid"]}
	messages == {sprintf("concurrencyPolicy is %v, not Forbid or Replace", [value])} with input as policy(value)
}

test_no_spec_is_defaulted if {
	messages == {"concurrencyPolicy is Allow, so a run starts while the last one is still going"} with input as review(null, ["Forbid"])
}

test_parameter[name] if {
	some name, expected in {
		"Allow": {"has": "Allow", "allowed": ["Replace", "Allow"], "fixes": set()},
		"Replace is not": {"has": "Replace", "allowed": ["Forbid"], "fixes": {"Forbid"}},
		"Forbid is not": {"has": "Forbid", "allowed": ["Replace", "Allow"], "fixes": {"Replace"}},
		"Forbid comes last": {"has": "Allow", "allowed": ["Replace", "Forbid"], "fixes": {"Forbid"}},
	}
	fixes == expected.fixes with input as review({"concurrencyPolicy": expected.has}, expected.allowed)
}
