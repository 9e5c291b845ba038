package taffrail.jobs.cronjob_concurrency_test

import data.taffrail.jobs.cronjob_concurrency
import future.keywords.not

review(spec, allowed) := {"object": {"spec": spec}, "parameters": {"allowed": allowed}}

policy(value) := review({"concurrencyPolicy": value}, ["Forbid", "Replace"])

messages contains finding.msg if some finding in cronjob_concurrency.deny

fixes contains finding.fix[0].value if some finding in cronjob_concurrency.deny

test_allow if {
	cronjob_concurrency.deny == {{
		"msg": "concurrencyPolicy is Allow, so a run starts while the previous one is still active",
		"path": "spec.concurrencyPolicy",
		"key": "concurrencyPolicy=Allow",
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
	messages == {"concurrencyPolicy is Allow, so a run starts while the previous one is still active"} with input as review(null, ["Forbid"])
}

ends(deadline, changed) := object.union(
	{
		"object": {"spec": {"concurrencyPolicy": "Allow", "jobTemplate": {"spec": {"activeDeadlineSeconds": deadline}}}},
		"schedule": {"interval": 300},
		"parameters": {"allowed": ["Replace", "Forbid"]},
	},
	changed,
)

test_fix_where_no_run_is_skipped if {
	fixes == {"Forbid"} with input as ends(270, {})
}

test_no_fix[name] if {
	some name, request in {
		"a run may still go on": ends(271, {}),
		"no deadline": ends(null, {}),
		"text": ends("60", {}),
		"it never runs": object.remove(ends(60, {}), ["schedule"]),
		"Forbid is not allowed": ends(60, {"parameters": {"allowed": ["Replace"]}}),
		"Replace ends runs": ends(60, {
			"object": {"spec": {"concurrencyPolicy": "Replace"}},
			"parameters": {"allowed": ["Forbid"]},
		}),
	}
	count(cronjob_concurrency.deny) == 1 with input as request
	fixes == set() with input as request
}
