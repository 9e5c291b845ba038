# METADATA
# title: CronJobs have a valid schedule and a time zone
# description: >-
#   The schedule of a CronJob is one that Kubernetes accepts: five fields in range, or a macro such as @daily. If it
#   names an hour of the day, spec.timeZone sets the time zone, because EKS uses UTC. The time zone is spelled exactly
#   as in the time zone database: America/Los_Angeles and Etc/GMT-1 are valid, PST and GMT+1 are not. The schedule must
#   not name only days that do not exist, such as February 30, unless the CronJob is suspended, and must not run more
#   often than the minimum interval. The fixes set Etc/UTC, which is what a missing timeZone means on EKS, and move a
#   time zone from the schedule, where Kubernetes rejects it, to spec.timeZone. There is no fix for a time zone that
#   does not exist, nor for an empty one, which was probably meant to be filled in.
# custom:
#   id: cronjob-schedule
#   severity: medium
#   section: 3.2.9
#   kinds: [CronJob.batch]
#   default_mode: warn
#   remediation: "Write minute, hour, day of month, month and day of week, and a time zone, for example schedule: \"30 2 * * *\" with timeZone: Asia/Seoul."
#   parameters:
#     type: object
#     properties:
#       minimumIntervalSeconds:
#         type: integer
#         minimum: 1
#         maximum: 31536000
#         default: 60
#         description: The minimum number of seconds between two runs. A schedule with five fields cannot run more often than every 60 seconds.
#       requireTimeZone:
#         type: boolean
#         default: true
#         description: Whether a schedule that names an hour of the day must have a time zone.
package taffrail.jobs.cronjob_schedule

import future.keywords.not

deny contains finding if {
	schedule.text == ""
	finding := {
		"msg": "there is no schedule, so the API server rejects the CronJob",
		"path": "spec.schedule",
	}
}

deny contains object.union(finding, moved) if {
	schedule.zone != ""
	finding := {
		"msg": "the schedule contains a time zone, which the API server rejects: set timeZone instead",
		"path": "spec.schedule",
		"key": concat("=", ["zone", schedule.zone]),
	}
}

deny contains finding if {
	startswith(schedule.text, "@")
	not schedule.valid
	finding := {
		"msg": sprintf(
			"%q is not a schedule: write @hourly, @daily, @weekly, @monthly, @yearly or @every 1h30m",
			[schedule.text],
		),
		"path": "spec.schedule",
		"key": key,
	}
}

deny contains finding if {
	schedule.text != ""
	not startswith(schedule.text, "@")
	schedule.fields != 5
	finding := {
		"msg": sprintf(
			"the schedule has %d fields, not 5: minute, hour, day of month, month, day of week",
			[schedule.fields],
		),
		"path": "spec.schedule",
		"key": key,
	}
}

deny contains finding if {
	some fault in schedule.faults
	finding := {
		"msg": sprintf(
			"the %s is %q: write %s, for example 1,2 or 1-5 or */2",
			[fault.field, fault.text, fault.range],
		),
		"path": "spec.schedule",
		"key": concat("=", [fault.field, fault.text]),
	}
}

# METADATA
# title: A schedule of days that no month has
# description: A suspended CronJob may have one, which is a common way to mark it as run by hand only.
deny contains finding if {
	schedule.valid
	not schedule.interval
	not input.object.spec.suspend == true
	finding := {
		"msg": "the schedule never runs: none of its months has such a day",
		"path": "spec.schedule",
		"key": key,
	}
}

deny contains finding if {
	schedule.interval < input.parameters.minimumIntervalSeconds
	finding := {
		"msg": sprintf(
			"two runs can be as little as %ds apart, less than the minimum of %ds",
			[schedule.interval, input.parameters.minimumIntervalSeconds],
		),
		"path": "spec.schedule",
		"key": "interval",
		"excess": input.parameters.minimumIntervalSeconds - schedule.interval,
	}
}

deny contains finding if {
	input.parameters.requireTimeZone
	schedule.daily
	schedule.zone == ""
	not zoned
	finding := {
		"msg": "there is no timeZone, so EKS runs the schedule in UTC",
		"path": "spec.timeZone",
		"key": "timeZone",
		"fix": [utc],
	}
}

deny contains finding if {
	zone := input.object.spec.timeZone
	zone != null
	not exists(zone)
	finding := {
		"msg": sprintf("timeZone %s is not a time zone, so the API server rejects the CronJob", [json.marshal(zone)]),
		"path": "spec.timeZone",
		"key": sprintf("timeZone=%v", [zone]),
	}
}

schedule := input.schedule

key := concat("=", ["schedule", input.object.spec.schedule])

zoned if input.object.spec.timeZone != null

# No list of zones contains Local, which the API server rejects.
exists(zone) if zone in schedule.zones

utc := {"op": "add", "path": "/spec/timeZone", "value": "Etc/UTC"}

# METADATA
# title: The fix that moves the zone from the schedule to timeZone
moved := {"fix": [
	{"op": "add", "path": "/spec/schedule", "value": schedule.text},
	{"op": "add", "path": "/spec/timeZone", "value": schedule.zone},
]} if {
	exists(schedule.zone)
	schedule.valid
	not zoned
} else := {}
