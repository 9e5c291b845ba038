package taffrail.rollout.rolling_update_test

import data.taffrail.rollout.rolling_update
import future.keywords.not

review(strategy, replicas) := {
	"object": {"spec": {"strategy": strategy}},
	"workload": {"replicas": replicas, "pod": {"spec": {}}},
}

rolling(unavailable, surge, replicas) := review(
	{"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": surge}},
	replicas,
)

claim := {"workload": {"pod": {"spec": {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}}}}

autoscaler(least) := {"workload": {"autoscaler": {"name": "web", "minReplicas": least, "maxReplicas": 10}}}

messages contains finding.msg if some finding in rolling_update.deny

paths contains finding.path if some finding in rolling_update.deny

test_recreate if {
	rolling_update.deny == {{
		"msg": "strategy Recreate stops every replica before the first new one starts",
		"path": "spec.strategy.type",
		"key": "type=Recreate",
	}} with input as review({"type": "Recreate"}, 2)
}

test_a_claim_is_let_go_first if {
	count(rolling_update.deny) == 0 with input as object.union(review({"type": "Recreate"}, 1), claim)
	count(rolling_update.deny) == 0 with input as object.union(rolling(1, 0, 1), claim)
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
	messages == {"the strategy is neither RollingUpdate nor Recreate"} with input as review(strategy, 2)
}

test_takes_all_down if {
	rolling_update.deny == {{
		"msg": "maxUnavailable 100% takes all 3 replicas down at once",
		"path": "spec.strategy.rollingUpdate.maxUnavailable",
		"key": "maxUnavailable=100%",
		"fix": [{"op": "add", "path": "/spec/strategy/rollingUpdate/maxUnavailable", "value": 1}],
	}} with input as rolling("100%", "25%", 3)
}

test_the_only_replica if {
	rolling_update.deny == {{
		"msg": "maxUnavailable 1 takes the only replica down before a new one is ready",
		"path": "spec.strategy.rollingUpdate.maxUnavailable",
		"key": "maxUnavailable=1",
	}} with input as rolling(1, 1, 1)
}

test_both_round_to_nothing if {
	messages == {"maxUnavailable 25% of 1 replica is none and maxSurge is 0, so the only replica is taken down"} with input as rolling("25%", 0, 1)
	count(rolling_update.deny) == 0 with input as rolling("25%", 0, 2)
}

# Rounded down for maxUnavailable, up for maxSurge.
test_enough_are_left[name] if {
	some name, given in {
		"the default": ["25%", "25%", 1],
		"the default of two": ["25%", "25%", 2],
		"surge only": [0, 1, 1],
		"surge of a hair": [0, "1%", 1],
		"99%": ["99%", "25%", 100],
		"99% of one": ["99%", "25%", 1],
		"half of two": ["50%", 0, 2],
		"half of three": ["50%", 0, 3],
		"one of two": [1, 0, 2],
		"leading zeros": ["0025%", "25%", 2],
		"none of none": [1, 1, 0],
		"half of none": ["50%", 0, 0],
	}
	count(rolling_update.deny) == 0 with input as rolling(given[0], given[1], given[2])
}

test_too_many[name] if {
	some name, given in {
		"all of two": [2, 0, 2],
		"more than all": [5, 0, 2],
		"more than 100%": ["150%", 0, 2],
		"100% of one": ["100%", "100%", 1],
		"100% of none": ["100%", 0, 0],
		"one of one": [1, 0, 1],
		"leading zeros": ["0100%", "25%", 2],
		"with odd surge": [2, 0, 2],
	}
	paths == {"spec.strategy.rollingUpdate.maxUnavailable"} with input as rolling(given[0], given[1], given[2])
	count(rolling_update.deny) == 1 with input as rolling(given[0], given[1], given[2])
}

test_nothing_at_all[name] if {
	some name, given in {"numbers": [0, 0], "percent": ["0%", 0], "zeros": ["00%", "000%"]}
	messages == {"maxUnavailable and maxSurge are both 0, so no replica can be replaced"} with input as rolling(given[0], given[1], 1)
	messages == {"maxUnavailable and maxSurge are both 0, so no replica can be replaced"} with input as rolling(given[0], given[1], 3)
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
	messages == {"maxUnavailable is neither a number nor a percentage"} with input as rolling(value, 1, 2)
	messages == {"maxSurge is neither a number nor a percentage"} with input as rolling("25%", value, 2)
}

test_odd_rolling_update[name] if {
	some name, value in {"text": "25%", "list": [], "null": null, "empty": {}}
	paths == {
		"spec.strategy.rollingUpdate.maxUnavailable",
		"spec.strategy.rollingUpdate.maxSurge",
	} with input as review({"type": "RollingUpdate", "rollingUpdate": value}, 2)
}

test_autoscaler_keeps_more if {
	count(rolling_update.deny) == 0 with input as object.union(rolling(1, 0, 1), autoscaler(2))
	messages == {"maxUnavailable 2 takes all 2 replicas down at once"} with input as object.union(rolling(2, 0, 1), autoscaler(2))
}

test_autoscaler_has_scaled_up if {
	count(rolling_update.deny) == 0 with input as object.union(rolling(2, 0, 3), autoscaler(1))
}
