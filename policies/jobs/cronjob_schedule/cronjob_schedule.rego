# METADATA
# title: CronJobs say when they run
# description: >-
#   The schedule of a CronJob is one that Kubernetes takes: five fields in range, or a macro such as @daily. Where it is
#   tied to an hour of the day, spec.timeZone says whose day, because EKS counts in UTC. The zone is one of the time zone
#   database, in its exact spelling: PST and GMT+1 are none, America/Los_Angeles and Etc/GMT-1 are. No schedule is of days
#   that no month has, unless the CronJob is suspended, and none runs more often than the minimum interval. The fixes name
#   Etc/UTC, which is what an absent timeZone means on EKS, and move a zone from the schedule, where Kubernetes refuses
#   it, to the field. There is none for a zone that does not exist, nor for an empty one: it was to be filled in.
# custom:
#   id: cronjob-schedule
#   severity: medium
#   section: 3.2.9
#   kinds: [CronJob.batch]
#   default_mode: warn
#   remediation: "Give minute, hour, day of month, month and day of week, and the zone, for example schedule: \"30 2 * * *\" with timeZone: Asia/Seoul."
#   parameters:
#     type: object
#     properties:
#       minimumIntervalSeconds:
#         type: integer
#         minimum: 1
#         maximum: 31536000
#         default: 60
#         description: The least time between two runs. A schedule of five fields cannot be finer than 60.
#       requireTimeZone:
#         type: boolean
#         default: true
#         description: Whether a schedule that is tied to an hour of the day names its time zone.
package taffrail.jobs.cronjob_schedule

import future.keywords.not

deny contains finding if {
	schedule.text == ""
	finding := {
		"msg": "there is no schedule, so the API server refuses the CronJob",
		"path": "spec.schedule",
	}
}

deny contains object.union(finding, moved) if {
	schedule.zone != ""
	finding := {
		"msg": "the schedule names a time zone, which the API server refuses: the zone belongs in timeZone",
		"path": "spec.schedule",
		"key": concat("=", ["zone", schedule.zone]),
	}
}

deny contains finding if {
	startswith(schedule.text, "@")
	not schedule.valid
	finding := {
		"msg": sprintf(
			"Kubernetes knows no %q: write @hourly, @daily, @weekly, @monthly, @yearly or @every 1h30m",
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
			"the %s is %q: write %s, also as 1,2 or 1-5 or */2",
			[fault.field, fault.text, fault.range],
		),
		"path": "spec.schedule",
		"key": concat("=", [fault.field, fault.text]),
	}
}

# METADATA
# title: A schedule of days that no month has
# description: A suspended CronJob may have one, which is a common way to say that it is run by hand.
deny contains finding if {
	schedule.valid
	not schedule.interval
	not input.object.spec.suspend == true
	finding := {
		"msg": "the schedule never runs: no month that it names has such a day",
		"path": "spec.schedule",
		"key": key,
	}
}

deny contains finding if {
	schedule.interval < input.parameters.minimumIntervalSeconds
	finding := {
		"msg": sprintf(
			"two runs can be %ds apart, less than the minimum of %ds",
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
		"msg": "there is no timeZone, so EKS takes the hour of the schedule for UTC",
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
		"msg": sprintf("timeZone %s is not a time zone, so the API server refuses the CronJob", [json.marshal(zone)]),
		"path": "spec.timeZone",
		"key": sprintf("timeZone=%v", [zone]),
	}
}

schedule := input.schedule

key := concat("=", ["schedule", input.object.spec.schedule])

zoned if input.object.spec.timeZone != null

# Local is a name that the API server refuses, and in no list of zones.
exists(zone) if zone in schedule.zones

utc := {"op": "add", "path": "/spec/timeZone", "value": "Etc/UTC"}

# METADATA
# title: The zone goes where Kubernetes wants it
moved := {"fix": [
	{"op": "add", "path": "/spec/schedule", "value": schedule.text},
	{"op": "add", "path": "/spec/timeZone", "value": schedule.zone},
]} if {
	exists(schedule.zone)
	schedule.valid
	not zoned
} else := {}
