package taffrail.rollout.rollback_history_test

import data.taffrail.rollout.rollback_history
import future.keywords.not

review(spec, minimum) := {"object": {"spec": spec}, "parameters": {"minimum": minimum}}

limit(value) := review({"revisionHistoryLimit": value}, 1)

messages contains finding.msg if some finding in rollback_history.deny

test_none_kept if {
	rollback_history.deny == {{
		"msg": "revisionHistoryLimit is 0, so there is no old revision to roll back to",
		"path": "spec.revisionHistoryLimit",
		"fix": [{"op": "add", "path": "/spec/revisionHistoryLimit", "value": 1}],
		"excess": 1,
	}} with input as limit(0)
}

test_enough[value] if {
	some value in [1, 2, 10, 2147483647]
	count(rollback_history.deny) == 0 with input as limit(value)
}

test_negative if {
	messages == {"revisionHistoryLimit is -1, less than the minimum of 1"} with input as limit(-1)
}

test_no_number[name] if {
	some name, value in {"text": "5", "null": null, "list": [5], "object": {}, "false": false}
	rollback_history.deny == {{
		"msg": "revisionHistoryLimit is not a number",
		"path": "spec.revisionHistoryLimit",
	}} with input as limit(value)
}

test_minimum_is_a_parameter if {
	count(rollback_history.deny) == 0 with input as review({"revisionHistoryLimit": 3}, 3)
	rollback_history.deny == {{
		"msg": "revisionHistoryLimit is 2, less than the minimum of 3",
		"path": "spec.revisionHistoryLimit",
		"fix": [{"op": "add", "path": "/spec/revisionHistoryLimit", "value": 3}],
		"excess": 1,
	}} with input as review({"revisionHistoryLimit": 2}, 3)
}

test_no_spec_is_defaulted if {
	count(rollback_history.deny) == 0 with input as review(null, 10)
	messages == {"revisionHistoryLimit is 10, less than the minimum of 11"} with input as review(null, 11)
}
