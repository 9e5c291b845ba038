package taffrail.jobs.cronjob_schedule_test

import data.taffrail.jobs.cronjob_schedule
import future.keywords.not

review(spec, interval, parameters) := {
	"object": {"spec": spec},
	"schedule": interval,
	"parameters": {"cronjob-schedule": object.union({"minimumIntervalSeconds": 60, "requireTimeZone": true}, parameters)},
}

zoned(text) := review({"schedule": text, "timeZone": "Asia/Seoul"}, {"interval": 60}, {})

zoneless(text) := review({"schedule": text}, {"interval": 60}, {})

zone(value) := review({"schedule": "0 2 * * *", "timeZone": value}, {"interval": 86400}, {})

messages contains finding.msg if some finding in cronjob_schedule.deny

keys contains finding.key if some finding in cronjob_schedule.deny

fixes contains finding.fix if some finding in cronjob_schedule.deny

test_what_kubernetes_takes[text] if {
	some text in [
		"* * * * *", "*/5 * * * *", "*/60 */24 */31 * *", "0 2 * * *", "30 6,18 * * 1-5", "0 0 1 1 0", "59 23 31 12 6", "00 07 01 01 00",
		"0-59/15 8-18 * * MON-FRI", "5/15 * * * *", "0 0 ? * sun", "0 0 1 jan,JUL ?", "*/1 * * * *", "+5 * * * *", "1,,2 * * * *",
		"0 0 * * 6,0", "  0\t0 * * *  ", "0 0 29 2 *", "0 0 30 2,4 *", "0 0 31 2 1", "0 0 28-31 2 *", "0 0 31 2/2 *", "0 0 */30 2 *", "0 0 30 2 */2", "0-0 * * * *",
		"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly", "@every 1h30m", "@every 60s", "@every 1.5h",
	]
	cronjob_schedule.deny == set() with input as zoned(text)
}

test_field_out_of_range[text] if {
	some text, key in {
		"60 * * * *": "minute=60", "-1 * * * *": "minute=-1", "* 24 * * *": "hour=24", "* * 0 * *": "day of month=0",
		"* * 32 * *": "day of month=32", "* * * 0 *": "month=0", "* * * 13 *": "month=13", "* * * * 7": "day of week=7",
		"* * * * 0-7": "day of week=0-7", "50-10 * * * *": "minute=50-10", "* 22-2 * * *": "hour=22-2", "*/0 * * * *": "minute=*/0",
		"*/-5 * * * *": "minute=*/-5", "1/2/3 * * * *": "minute=1/2/3", "1-2-3 * * * *": "minute=1-2-3", "1- * * * *": "minute=1-",
		"/5 * * * *": "minute=/5", "5/ * * * *": "minute=5/", ", * * * *": "minute=,", "0,60 * * * *": "minute=0,60",
		"JAN * * * *": "minute=JAN", "* * * MON *": "month=MON", "* * * * JAN": "day of week=JAN", "* * * * MONDAY": "day of week=MONDAY",
		"1.5 * * * *": "minute=1.5", "H * * * *": "minute=H", "* * L * *": "day of month=L", "* * 15W * *": "day of month=15W",
		"* * * * 5#3": "day of week=5#3", "99999999999999999999 * * * *": "minute=99999999999999999999", "** * * * *": "minute=**",
		"*-5 * * * *": "minute=*-5", "* * * * SAT-SUN": "day of week=SAT-SUN",
	}
	keys == {key} with input as zoned(text)
}

test_every_bad_field_is_named if {
	messages == {
		`the minute is "60": write 0-59, with lists (1,2), ranges (1-5) and steps (*/2) of it`,
		`the month is "13": write 1-12 or JAN-DEC, with lists (1,2), ranges (1-5) and steps (*/2) of it`,
		`the day of week is "7": write 0-6 or SUN-SAT, where Sunday is 0, with lists (1,2), ranges (1-5) and steps (*/2) of it`,
	} with input as zoned("60 * * 13 7")
}

test_number_of_fields[text] if {
	some text, number in {"* * * *": 4, "0 0 2 * * *": 6, "   ": 0, "daily": 1, " @daily": 1}
	message := sprintf("a schedule has 5 fields and this one %d: minute, hour, day of month, month, day of week", [number])
	messages == {message} with input as zoned(text)
}

test_unknown_macro[text] if {
	some text in ["@reboot", "@Daily", "@daily ", "@every", "@every 5", "@every five minutes", "@every 1d", "@"]
	message := sprintf(
		"%q is no macro that Kubernetes knows: write @hourly, @daily, @weekly, @monthly, @yearly or @every 1h30m",
		[text],
	)
	messages == {message} with input as zoned(text)
}

test_no_schedule[name] if {
	some name, spec in {"absent": {}, "empty": {"schedule": ""}, "null": {"schedule": null}, "a number": {"schedule": 5}, "a list": {"schedule": ["* * * * *"]}, "null spec": null}
	messages == {"there is no schedule, so the API server refuses the CronJob"} with input as review(spec, {}, {})
}

test_no_object if {
	count(cronjob_schedule.deny) == 1 with input as {"parameters": {"cronjob-schedule": {"minimumIntervalSeconds": 60, "requireTimeZone": true}}}
}

test_hour_of_the_day_needs_a_zone[text] if {
	some text in [
		"0 2 * * *", "0 0 * * *", "0 2,14 * * *", "* 9-17 * * *", "*/5 1/2 * * *", "0 */6,7 * * *",
		"@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually",
	]
	cronjob_schedule.deny == {{
		"msg": "the schedule is tied to an hour of the day and names no timeZone: EKS takes it for UTC",
		"path": "spec.timeZone",
		"key": "timeZone",
		"fix": [{"op": "add", "path": "/spec/timeZone", "value": "Etc/UTC"}],
	}} with input as zoneless(text)
}

test_no_hour_no_zone[text] if {
	some text in ["* * * * *", "*/5 * * * *", "0 */6 * * *", "0 ? * * *", "0 */24 1 * *", "0 0/4 * * *", "0 0-23 * * *", "@hourly", "@every 6h"]
	cronjob_schedule.deny == set() with input as zoneless(text)
}

test_zone_is_a_parameter if {
	cronjob_schedule.deny == set() with input as review({"schedule": "@daily"}, {"interval": 86400}, {"requireTimeZone": false})
}

test_null_zone_is_none if keys == {"timeZone"} with input as zone(null)

test_zones[value] if {
	some value in ["Asia/Seoul", "Etc/UTC", "UTC", "Etc/GMT+9", "America/Argentina/Buenos_Aires", "America/Port-au-Prince", "EST5EDT"]
	cronjob_schedule.deny == set() with input as zone(value)
}

test_no_zones[name] if {
	some name, expected in {
		"empty": {"value": "", "msg": `"" is no time zone, so the API server refuses the CronJob`, "fixes": 1},
		"Local": {"value": "Local", "msg": `"Local" is no time zone, so the API server refuses the CronJob`, "fixes": 0},
		"spaces": {"value": "Asia Seoul", "msg": `"Asia Seoul" is no time zone, so the API server refuses the CronJob`, "fixes": 0},
		"dots": {"value": "../etc", "msg": `"../etc" is no time zone, so the API server refuses the CronJob`, "fixes": 0},
		"a number": {"value": 9, "msg": "9 is no time zone, so the API server refuses the CronJob", "fixes": 0},
	}
	messages == {expected.msg} with input as zone(expected.value)
	count(fixes) == expected.fixes with input as zone(expected.value)
}

test_bad_zone_without_an_hour if {
	keys == {"timeZone="} with input as review({"schedule": "* * * * *", "timeZone": ""}, {"interval": 60}, {"requireTimeZone": false})
}

test_zone_in_the_schedule[text] if {
	some text in ["TZ=Asia/Seoul 0 2 * * *", "CRON_TZ=Asia/Seoul  0 2 * * *"]
	cronjob_schedule.deny == {{
		"msg": "the schedule carries a time zone, which the API server refuses: the zone belongs in timeZone",
		"path": "spec.schedule",
		"key": concat("=", ["schedule", text]),
		"fix": [
			{"op": "add", "path": "/spec/schedule", "value": "0 2 * * *"},
			{"op": "add", "path": "/spec/timeZone", "value": "Asia/Seoul"},
		],
	}} with input as review({"schedule": text}, {}, {})
}

test_zone_in_the_schedule_is_not_moved[name] if {
	some name, spec in {
		"two zones": {"schedule": "TZ=Asia/Seoul 0 2 * * *", "timeZone": "UTC"},
		"no zone": {"schedule": "TZ=Local 0 2 * * *"},
		"nothing after": {"schedule": "TZ=UTC"},
		"a bad field": {"schedule": "TZ=UTC 0 25 * * *"},
	}
	fixes == set() with input as review(spec, {}, {})
	some finding in cronjob_schedule.deny with input as review(spec, {}, {})
	finding.key == concat("=", ["schedule", spec.schedule])
}

test_never[text] if {
	some text in ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 31 feb ?", "0 0 30-31 2 */1", "0 0 31 9-9 *", "0 0 31 9/2 *", "0 0 31 2/60 *"]
	messages == {"the schedule never comes to pass: no month that it names has such a day"} with input as zoned(text)
}

test_suspended_may_never_run if {
	spec := {"schedule": "0 0 31 2 *", "timeZone": "UTC", "suspend": true}
	cronjob_schedule.deny == set() with input as review(spec, {}, {})
}

test_interval[name] if {
	some name, expected in {
		"too short": {"interval": 10, "minimum": 60, "count": 1},
		"just enough": {"interval": 60, "minimum": 60, "count": 0},
		"least": {"interval": 1, "minimum": 1, "count": 0},
		"most": {"interval": 31535999, "minimum": 31536000, "count": 1},
	}
	request := review({"schedule": "@every 10s"}, {"interval": expected.interval}, {"minimumIntervalSeconds": expected.minimum})
	count(cronjob_schedule.deny) == expected.count with input as request
}

test_interval_says_the_numbers if {
	cronjob_schedule.deny == {{
		"msg": "two runs can be 300 s apart, and at least 600 s are asked for",
		"path": "spec.schedule",
		"key": "schedule=*/5 * * * *",
	}} with input as review({"schedule": "*/5 * * * *"}, {"interval": 300}, {"minimumIntervalSeconds": 600})
}

test_no_interval_of_a_bad_schedule if {
	keys == {"hour=22-2"} with input as review({"schedule": "0 22-2 * * *"}, {"interval": 1}, {})
}
