# METADATA
# title: Jobs end
# description: >-
#   A Job that fails is tried again a bounded number of times: backoffLimit, 6 where it is not set, is at most
#   maxBackoffLimit. A Job that counts failures per index is bounded by its backoffLimitPerIndex instead; maxFailedIndexes
#   makes no difference, because it does not end an index. Its Pods have restartPolicy Never or OnFailure, the only ones
#   that the API server takes in a Job; Always is the default. By parameter, activeDeadlineSeconds of the Job, not of its
#   Pods, ends what hangs. An audit leaves out the Jobs of a CronJob that it lists. There is no fix: a Job that succeeds at
#   its twentieth attempt today, or whose Spot nodes are taken away, would fail with fewer, and how long it may take and
#   whether Pods that failed are kept to be looked at is for the author to say.
# custom:
#   id: job-retries
#   severity: low
#   section: 3.2.8
#   kinds: [Job.batch, CronJob.batch]
#   default_mode: warn
#   remediation: "Set for example backoffLimit: 3, with restartPolicy: Never or OnFailure, and to end a Job that hangs, activeDeadlineSeconds: 3600."
#   parameters:
#     type: object
#     properties:
#       maxBackoffLimit:
#         type: integer
#         minimum: 0
#         default: 6
#         description: How many retries a Job, or each index of it, may have at most.
#       requireDeadline:
#         type: boolean
#         default: false
#         description: Whether a Job must have activeDeadlineSeconds.
package taffrail.jobs.job_retries

import data.taffrail.lib.owners
import future.keywords.not

deny contains object.union(finding, amount) if {
	not owners.listed_with_owner
	not bounded(setting("backoffLimitPerIndex"))
	not bounded(backoff_limit)
	finding := {
		"msg": message,
		"path": concat(".", [job, retries]),
	}
}

deny contains finding if {
	not owners.listed_with_owner
	not input.workload.pod.spec.restartPolicy in {"Never", "OnFailure"}
	finding := {
		"msg": "restartPolicy is neither Never nor OnFailure, so the API server refuses the Job",
		"path": concat(".", [input.workload.path, "spec.restartPolicy"]),
	}
}

deny contains finding if {
	input.parameters.requireDeadline
	not owners.listed_with_owner
	not timed
	finding := {
		"msg": "there is no activeDeadlineSeconds, so a Job that hangs runs for ever",
		"path": concat(".", [job, "activeDeadlineSeconds"]),
	}
}

most := input.parameters.maxBackoffLimit

job := "spec" if input.kind == "Job"

job := "spec.jobTemplate.spec" if input.kind == "CronJob"

setting(field) := input.object.spec[field] if input.kind == "Job"

setting(field) := input.object.spec.jobTemplate.spec[field] if input.kind == "CronJob"

indexed if setting("backoffLimitPerIndex") != null

# The template of a CronJob is given defaults only once a Job is made from it.
backoff_limit := limit if {
	limit := setting("backoffLimit")
	limit != null
} else := 6 if {
	not indexed
}

bounded(limit) if {
	is_number(limit)
	limit >= 0
	limit <= most
}

timed if {
	deadline := setting("activeDeadlineSeconds")
	is_number(deadline)
	deadline > 0
}

retries := "backoffLimitPerIndex" if {
	indexed
} else := "backoffLimit"

message := sprintf("%s is %v, more than the maximum of %d", [retries, too_many, most]) if {
	too_many
} else := sprintf("%s is not a number of retries", [retries])

# How many retries there are where there are too many.
too_many := limit if {
	indexed
	limit := setting("backoffLimitPerIndex")
	is_number(limit)
	limit > most
}

too_many := backoff_limit if {
	not indexed
	is_number(backoff_limit)
	backoff_limit > most
}

amount := {"excess": too_many - most} if {
	too_many
} else := {}
