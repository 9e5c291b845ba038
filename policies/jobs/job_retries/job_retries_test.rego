package taffrail.jobs.job_retries_test

import data.taffrail.jobs.job_retries
import future.keywords.not

retry(most) := {"maxBackoffLimit": most, "requireDeadline": false}

deadline := {"maxBackoffLimit": 6, "requireDeadline": true}

job(spec, parameters) := {
	"origin": "manifest",
	"kind": "Job",
	"object": {"spec": spec},
	"workload": {"path": "spec.template", "pod": {"spec": {"restartPolicy": "Never"}}},
	"parameters": parameters,
}

cronjob(spec, parameters) := {
	"origin": "manifest",
	"kind": "CronJob",
	"object": {"spec": {"jobTemplate": {"spec": spec}}},
	"workload": {"path": "spec.jobTemplate.spec.template", "pod": {"spec": {"restartPolicy": "OnFailure"}}},
	"parameters": parameters,
}

restart(value) := object.union(job({"backoffLimit": 6}, retry(6)), {"workload": {"pod": {"spec": {"restartPolicy": value}}}})

messages contains finding.msg if some finding in job_retries.deny

paths contains finding.path if some finding in job_retries.deny

test_too_many_retries if {
	job_retries.deny == {{
		"msg": "backoffLimit is 100, more than the maximum of 6",
		"path": "spec.backoffLimit",
		"excess": 94,
	}} with input as job({"backoffLimit": 100}, retry(6))
}

test_too_many_retries_of_a_cronjob if {
	job_retries.deny == {{
		"msg": "backoffLimit is 7, more than the maximum of 6",
		"path": "spec.jobTemplate.spec.backoffLimit",
		"excess": 1,
	}} with input as cronjob({"backoffLimit": 7}, retry(6))
}

test_few_retries[limit] if {
	some limit in [0, 1, 6]
	count(job_retries.deny) == 0 with input as job({"backoffLimit": limit}, retry(6))
	count(job_retries.deny) == 0 with input as cronjob({"backoffLimit": limit}, retry(6))
}

test_no_retries_at_all if {
	count(job_retries.deny) == 0 with input as job({"backoffLimit": 0}, retry(0))
}

test_a_cronjob_is_defaulted_later[name] if {
	some name, spec in {"absent": {}, "null": {"backoffLimit": null}, "null per index": {"backoffLimitPerIndex": null}, "no spec": null}
	count(job_retries.deny) == 0 with input as cronjob(spec, retry(6))
	messages == {"backoffLimit is 6, more than the maximum of 5"} with input as cronjob(spec, retry(5))
}

test_odd_limits[name] if {
	some name, value in {"text": "3", "list": [3], "object": {}, "false": false, "negative": -1}
	messages == {"backoffLimit is not a valid number of retries"} with input as job({"backoffLimit": value}, retry(6))
	messages == {"backoffLimit is not a valid number of retries"} with input as cronjob({"backoffLimit": value}, retry(6))
}

test_bounded_per_index if {
	count(job_retries.deny) == 0 with input as job({"backoffLimit": 2147483647, "backoffLimitPerIndex": 2}, retry(6))
	count(job_retries.deny) == 0 with input as job({"backoffLimit": 4, "backoffLimitPerIndex": 20}, retry(6))
	count(job_retries.deny) == 0 with input as cronjob({"backoffLimitPerIndex": 0}, retry(0))
}

test_too_many_per_index if {
	job_retries.deny == {{
		"msg": "backoffLimitPerIndex is 20, more than the maximum of 6",
		"path": "spec.backoffLimitPerIndex",
		"excess": 14,
	}} with input as job({"backoffLimit": 2147483647, "backoffLimitPerIndex": 20}, retry(6))
	paths == {"spec.jobTemplate.spec.backoffLimitPerIndex"} with input as cronjob({"backoffLimitPerIndex": 20, "maxFailedIndexes": 1}, retry(6))
}

test_odd_per_index if {
	messages == {"backoffLimitPerIndex is not a valid number of retries"} with input as cronjob({"backoffLimitPerIndex": "2"}, retry(6))
}

test_restart_policies[value] if {
	some value in ["Never", "OnFailure"]
	count(job_retries.deny) == 0 with input as restart(value)
}

test_restart_for_ever[name] if {
	some name, value in {"Always": "Always", "another case": "never", "null": null, "number": 1, "list": ["Never"]}
	job_retries.deny == {{
		"msg": "restartPolicy is neither Never nor OnFailure, so the API server rejects the Job",
		"path": "spec.template.spec.restartPolicy",
	}} with input as restart(value)
}

test_no_template if {
	paths == {"spec.template.spec.restartPolicy"} with input as object.union(restart("Never"), {"workload": {"pod": null}})
}

test_deadline[name] if {
	some name, expected in {
		"absent": {"spec": {}, "count": 1},
		"null": {"spec": {"activeDeadlineSeconds": null}, "count": 1},
		"none": {"spec": {"activeDeadlineSeconds": 0}, "count": 1},
		"text": {"spec": {"activeDeadlineSeconds": "600"}, "count": 1},
		"of the Pods": {"spec": {"template": {"spec": {"activeDeadlineSeconds": 600}}}, "count": 1},
		"a second": {"spec": {"activeDeadlineSeconds": 1}, "count": 0},
	}
	count(job_retries.deny) == expected.count with input as cronjob(expected.spec, deadline)
	count(job_retries.deny) == expected.count with input as job(expected.spec, deadline)
	count(job_retries.deny) == 0 with input as cronjob(expected.spec, retry(6))
}

test_where_the_deadline_goes if {
	paths == {"spec.jobTemplate.spec.activeDeadlineSeconds"} with input as cronjob({}, deadline)
	messages == {"there is no activeDeadlineSeconds, so a Job that hangs runs forever"} with input as cronjob({}, deadline)
}

test_audit_lists_the_owner if {
	made := object.union(restart("Always"), {
		"object": {
			"metadata": {"ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob", "controller": true}]},
			"spec": {"backoffLimit": 100},
		},
		"parameters": deadline,
	})
	count(job_retries.deny) == 3 with input as made
	count(job_retries.deny) == 0 with input as object.union(made, {"origin": "live"})
}
