package taffrail.jobs.cronjob_schedule_test

import data.taffrail.jobs.cronjob_schedule
import future.keywords.not

# What the schedule is made of is read in Go, and tested there.
review(spec, schedule, parameters) := {
	"object": {"spec": spec},
	"schedule": object.union(
		{"text": spec.schedule, "zone": "", "zones": ["Asia/Seoul", "Etc/UTC"], "valid": true, "fields": 5, "faults": [], "daily": false, "interval": 3600},
		schedule,
	),
	"parameters": object.union({"minimumIntervalSeconds": 60, "requireTimeZone": true}, parameters),
}

daily(zone) := review(object.union({"schedule": "0 2 * * *"}, zone), {"daily": true, "interval": 86400}, {})

test_any_hour_needs_no_zone if {
	cronjob_schedule.deny == set() with input as review({"schedule": "*/5 * * * *"}, {"interval": 300}, {})
}

test_hour_of_the_day[name] if {
	some name, zone in {"missing": {}, "null": {"timeZone": null}}
	some finding in cronjob_schedule.deny with input as daily(zone)
	finding.path == "spec.timeZone"
	finding.fix[0].value == "Etc/UTC"
}

test_hour_of_the_day_may_be_allowed if {
	cronjob_schedule.deny == set() with input as review({"schedule": "@daily"}, {"daily": true}, {"requireTimeZone": false})
}

test_zones[zone] if {
	some zone in ["Etc/UTC", "Asia/Seoul"]
	cronjob_schedule.deny == set() with input as daily({"timeZone": zone})
}

test_no_zones[name] if {
	some name, zone in {"empty": "", "local": "Local", "number": 9, "list": [], "unknown": "GMT+5"}
	some finding in cronjob_schedule.deny with input as daily({"timeZone": zone})
	contains(finding.msg, "is not a time zone")
}

test_no_zone_is_replaced[zone] if {
	some zone in ["", "Local", "GMT+5"]
	count({finding | some finding in cronjob_schedule.deny; finding.fix}) == 0 with input as daily({"timeZone": zone})
}

test_a_zone_that_does_not_exist_is_not_moved if {
	unknown := object.union(in_front({}), {"schedule": {"zones": []}})
	count(cronjob_schedule.deny) == 1 with input as unknown
	count({finding | some finding in cronjob_schedule.deny; finding.fix}) == 0 with input as unknown
}

in_front(zone) := review(
	object.union({"schedule": "TZ=Asia/Seoul 0 2 * * *"}, zone),
	{"text": "0 2 * * *", "zone": "Asia/Seoul", "daily": true},
	{},
)

test_zone_in_front_is_moved if {
	some finding in cronjob_schedule.deny with input as in_front({})
	finding.fix == [
		{"op": "add", "path": "/spec/schedule", "value": "0 2 * * *"},
		{"op": "add", "path": "/spec/timeZone", "value": "Asia/Seoul"},
	]
}

test_zone_in_front_moves_over_no_other if {
	some finding in cronjob_schedule.deny with input as in_front({"timeZone": "Etc/UTC"})
	not finding.fix
}

messages contains finding.msg if some finding in cronjob_schedule.deny

test_no_schedule if {
	messages == {"there is no schedule, so the API server rejects the CronJob"} with input as review(
		{"schedule": ""},
		{"valid": false, "fields": 0},
		{},
	)
}

test_number_of_fields if {
	messages == {"the schedule has 6 fields, not 5: minute, hour, day of month, month, day of week"} with input as review(
		{"schedule": "0 0 2 * * *"},
		{"valid": false, "fields": 6},
		{},
	)
}

test_unknown_macro if {
	some message in messages with input as review({"schedule": "@reboot"}, {"valid": false, "fields": 0}, {})
	startswith(message, `"@reboot" is not a schedule: `)
}

test_every_fault_is_named if {
	faults := [{"field": "minute", "text": "60", "range": "0-59"}, {"field": "month", "text": "13", "range": "1-12 or JAN-DEC"}]
	messages == {
		`the minute is "60": write 0-59, for example 1,2 or 1-5 or */2`,
		`the month is "13": write 1-12 or JAN-DEC, for example 1,2 or 1-5 or */2`,
	} with input as review({"schedule": "60 * * 13 *"}, {"valid": false, "faults": faults}, {})
}

never := object.remove(review({"schedule": "0 0 30 2 *"}, {}, {}).schedule, ["interval"])

test_never if {
	messages == {"the schedule never runs: none of its months has such a day"} with input as review({"schedule": "0 0 30 2 *"}, {}, {})
		with input.schedule as never
}

test_never_is_fine_while_suspended if {
	messages == set() with input as review({"schedule": "0 0 30 2 *", "suspend": true}, {}, {}) with input.schedule as never
}

test_interval if {
	messages == {"two runs can be as little as 60s apart, less than the minimum of 300s"} with input as review(
		{"schedule": "* * * * *"},
		{"interval": 60},
		{"minimumIntervalSeconds": 300},
	)
	messages == set() with input as review({"schedule": "*/5 * * * *"}, {"interval": 300}, {"minimumIntervalSeconds": 300})
}
