package taffrail.rollout.rolling_update_test

import data.taffrail.rollout.rolling_update
import future.keywords.not

# How many Pods that makes is read in Go, and tested there.
counted(steady, surge, unavailable) := {"steady": steady, "most": steady, "surge": surge, "unavailable": unavailable}

review(strategy, pods) := {
	"object": {"spec": {"strategy": strategy}},
	"workload": {"pods": pods, "pod": {"spec": {}}},
}

rolling(unavailable, surge, pods) := review(
	{"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": surge}},
	pods,
)

claim := {"workload": {"pod": {"spec": {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}}}}

messages contains finding.msg if some finding in rolling_update.deny

paths contains finding.path if some finding in rolling_update.deny

test_recreate if {
	rolling_update.deny == {{
		"msg": "strategy Recreate stops every replica before a new one starts",
		"path": "spec.strategy.type",
		"key": "type=Recreate",
	}} with input as review({"type": "Recreate"}, counted(2, 0, 0))
}

test_a_claim_is_let_go_first if {
	count(rolling_update.deny) == 0 with input as object.union(review({"type": "Recreate"}, counted(1, 0, 0)), claim)
	count(rolling_update.deny) == 0 with input as object.union(rolling(1, 0, counted(1, 0, 1)), claim)
}

test_odd_types[name] if {
	some name, strategy in {
		"another case": {"type": "rollingUpdate"},
		"number": {"type": 1},
		"null": {"type": null},
		"absent": {},
		"text": "Recreate",
		"null strategy": null,
	}
	messages == {"the strategy is neither RollingUpdate nor Recreate"} with input as review(strategy, counted(2, 0, 0))
}

test_takes_all_down if {
	rolling_update.deny == {{
		"msg": "maxUnavailable 100% takes all 3 replicas down at once",
		"path": "spec.strategy.rollingUpdate.maxUnavailable",
		"key": "maxUnavailable",
	}} with input as rolling("100%", "25%", counted(3, 1, 3))
}

test_a_number_is_fixed if {
	rolling_update.deny == {{
		"msg": "maxUnavailable 5 takes all 3 replicas down at once",
		"path": "spec.strategy.rollingUpdate.maxUnavailable",
		"key": "maxUnavailable",
		"fix": [{"op": "add", "path": "/spec/strategy/rollingUpdate/maxUnavailable", "value": 1}],
	}} with input as rolling(5, "25%", counted(3, 1, 3))
}

test_the_only_replica if {
	messages == {"maxUnavailable 1 takes the only replica down before a new one is ready"} with input as rolling(1, 1, counted(1, 1, 1))
	messages == {"with maxUnavailable 25% and no surge, the only replica stops before a new one starts"} with input as rolling("25%", 0, counted(1, 0, 1))
}

test_enough_are_left[name] if {
	some name, pods in {
		"the default of one": counted(1, 1, 0),
		"half of two": counted(2, 0, 1),
		"none of none": counted(0, 0, 1),
	}
	count(rolling_update.deny) == 0 with input as rolling("25%", "25%", pods)
}

test_all_of_those_that_come if {
	messages == {"maxUnavailable 100% takes every replica down at once"} with input as rolling("100%", 0, counted(0, 0, 1))
}

test_nothing_at_all[name] if {
	some name, given in {"numbers": [0, 0], "percent": ["0%", 0]}
	messages == {"maxUnavailable and maxSurge are both 0, so no replica can be replaced"} with input as rolling(given[0], given[1], counted(3, 0, 1))
}

test_odd_values[name] if {
	some name, value in {
		"text": "abc",
		"number in text": "1",
		"no number": "%",
		"fraction": "2.5%",
		"negative": -1,
		"negative percentage": "-5%",
		"absurd": "10000000000%",
		"null": null,
		"list": [1],
		"object": {},
		"false": false,
	}
	messages == {"maxUnavailable is neither a number nor a percentage"} with input as rolling(value, 1, counted(2, 1, 0))
	messages == {"maxSurge is neither a number nor a percentage"} with input as rolling("25%", value, counted(2, 0, 1))
}

test_odd_rolling_update[name] if {
	some name, value in {"text": "25%", "list": [], "null": null, "empty": {}}
	paths == {
		"spec.strategy.rollingUpdate.maxUnavailable",
		"spec.strategy.rollingUpdate.maxSurge",
	} with input as review({"type": "RollingUpdate", "rollingUpdate": value}, counted(2, 0, 1))
}
