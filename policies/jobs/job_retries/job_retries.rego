# METADATA
# title: Jobs have limited retries
# description: >-
#   A Job that fails is retried a limited number of times: backoffLimit, 6 if it is not set, is at most maxBackoffLimit.
#   If a Job counts failures per index, its backoffLimitPerIndex is limited instead; maxFailedIndexes makes no
#   difference, because it does not end an index. The Pods of a Job have restartPolicy Never or OnFailure, the only
#   values that the API server accepts in a Job; the default is Always. With the parameter requireDeadline, the Job
#   itself, not its Pods, must have activeDeadlineSeconds, which ends a Job that hangs. When existing objects are
#   audited, a Job of a CronJob is skipped if the CronJob is audited too. There is no fix: with fewer retries, a Job
#   that succeeds at its twentieth attempt today, or whose Spot nodes are taken away, would fail, and only the author
#   knows how long the Job may take and whether its failed Pods are kept for inspection.
# custom:
#   id: job-retries
#   severity: low
#   section: 3.2.8
#   kinds: [Job.batch, CronJob.batch]
#   default_mode: warn
#   remediation: "Set, for example, backoffLimit: 3 with restartPolicy: Never or OnFailure, and activeDeadlineSeconds: 3600 to end a Job that hangs."
#   parameters:
#     type: object
#     properties:
#       maxBackoffLimit:
#         type: integer
#         minimum: 0
#         default: 6
#         description: The maximum number of retries of a Job, or of each of its indexes.
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
		"msg": "restartPolicy is neither Never nor OnFailure, so the API server rejects the Job",
		"path": concat(".", [input.workload.path, "spec.restartPolicy"]),
	}
}

deny contains finding if {
	input.parameters.requireDeadline
	not owners.listed_with_owner
	not timed
	finding := {
		"msg": "there is no activeDeadlineSeconds, so a Job that hangs runs forever",
		"path": concat(".", [job, "activeDeadlineSeconds"]),
	}
}

most := input.parameters.maxBackoffLimit

job := "spec" if input.kind == "Job"

job := "spec.jobTemplate.spec" if input.kind == "CronJob"

setting(field) := input.object.spec[field] if input.kind == "Job"

setting(field) := input.object.spec.jobTemplate.spec[field] if input.kind == "CronJob"

indexed if setting("backoffLimitPerIndex") != null

# The job template of a CronJob gets defaults only when a Job is created from it.
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
} else := sprintf("%s is not a valid number of retries", [retries])

# The number of retries, if it is over the maximum.
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
