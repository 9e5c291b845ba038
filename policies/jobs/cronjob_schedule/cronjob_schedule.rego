# METADATA
# title: CronJobs say when they run
# description: >-
#   The schedule of a CronJob is one that Kubernetes takes: five fields in range, or a macro such as @daily. Where it is
#   tied to an hour of the day, spec.timeZone says whose day, because EKS counts in UTC. No schedule is of days that no
#   month has, unless the CronJob is suspended, and none runs more often than the minimum interval. The fixes name
#   Etc/UTC, which is what an absent timeZone means on EKS, and move a zone from the schedule, where Kubernetes refuses
#   it, to the field.
# custom:
#   id: cronjob-schedule
#   severity: medium
#   section: 3.2.9
#   kinds: [CronJob.batch]
#   default_mode: warn
#   remediation: "Write minute, hour, day of month, month and day of week, and the zone, for example schedule: \"30 2 * * *\" with timeZone: Asia/Seoul."
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
	not written
	finding := {
		"msg": "there is no schedule, so the API server refuses the CronJob",
		"path": "spec.schedule",
	}
}

deny contains object.union(finding, zone_fix) if {
	contains(written, "TZ")
	finding := {
		"msg": "the schedule carries a time zone, which the API server refuses: the zone belongs in timeZone",
		"path": "spec.schedule",
		"key": concat("=", ["schedule", written]),
	}
}

deny contains finding if {
	startswith(schedule, "@")
	not macro(schedule)
	finding := {
		"msg": sprintf(
			"%q is no macro that Kubernetes knows: write @hourly, @daily, @weekly, @monthly, @yearly or @every 1h30m",
			[schedule],
		),
		"path": "spec.schedule",
		"key": concat("=", ["schedule", written]),
	}
}

deny contains finding if {
	number := count(fields)
	number != 5
	finding := {
		"msg": sprintf("a schedule has 5 fields and this one %d: minute, hour, day of month, month, day of week", [number]),
		"path": "spec.schedule",
		"key": concat("=", ["schedule", written]),
	}
}

deny contains finding if {
	count(fields) == 5
	some i, form in forms
	not valid(i)
	finding := {
		"msg": sprintf("the %s is %q: write %s, with lists (1,2), ranges (1-5) and steps (*/2) of it", [form.name, fields[i], form.range]),
		"path": "spec.schedule",
		"key": concat("=", [form.name, fields[i]]),
	}
}

deny contains finding if {
	never
	finding := {
		"msg": "the schedule never comes to pass: no month that it names has such a day",
		"path": "spec.schedule",
		"key": concat("=", ["schedule", written]),
	}
}

deny contains finding if {
	valid_schedule
	seconds := input.schedule.interval
	seconds < parameters.minimumIntervalSeconds
	asked := format_int(parameters.minimumIntervalSeconds, 10)
	finding := {
		"msg": sprintf("two runs can be %d s apart, and at least %s s are asked for", [seconds, asked]),
		"path": "spec.schedule",
		"key": concat("=", ["schedule", written]),
	}
}

deny contains finding if {
	parameters.requireTimeZone
	daily
	object.get(input.object.spec, "timeZone", null) == null
	not contains(written, "TZ")
	finding := {
		"msg": "the schedule is tied to an hour of the day and names no timeZone: EKS takes it for UTC",
		"path": "spec.timeZone",
		"key": "timeZone",
		"fix": [utc],
	}
}

deny contains object.union(finding, empty_fix(zone)) if {
	zone := input.object.spec.timeZone
	zone != null
	not named(zone)
	finding := {
		"msg": sprintf("%s is no time zone, so the API server refuses the CronJob", [json.marshal(zone)]),
		"path": "spec.timeZone",
		"key": sprintf("timeZone=%v", [zone]),
	}
}

parameters := input.parameters["cronjob-schedule"]

# METADATA
# title: The schedule as it stands in the object
written := text if {
	text := input.object.spec.schedule
	is_string(text)
	text != ""
}

# METADATA
# title: The schedule without a time zone
# description: What is wrong with the rest is said in the same breath.
schedule := zoned[0][2]

schedule := written if not zoned[0]

zoned := regex.find_all_string_submatch_n(`^(?:CRON_)?TZ=(\S+)\s+(.*)$`, written, 1)

fields := [field | some field in regex.split(`\s+`, schedule); field != ""] if not startswith(schedule, "@")

# Each is of midnight.
days_macros := {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight"}

macro(text) if text in days_macros

macro("@hourly")

macro(text) if regex.match(`^@every [-+]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$`, text)

forms := [
	{"name": "minute", "min": 0, "max": 59, "range": "0-59", "names": {}},
	{"name": "hour", "min": 0, "max": 23, "range": "0-23", "names": {}},
	{"name": "day of month", "min": 1, "max": 31, "range": "1-31", "names": {}},
	{"name": "month", "min": 1, "max": 12, "range": "1-12 or JAN-DEC", "names": months},
	{"name": "day of week", "min": 0, "max": 6, "range": "0-6 or SUN-SAT, where Sunday is 0", "names": weekdays},
]

months := {
	"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6,
	"jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}

weekdays := {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}

valid_schedule if macro(schedule)

valid_schedule if {
	count(fields) == 5
	every i, _ in forms {
		valid(i)
	}
}

valid(i) if {
	count(elements(i)) > 0
	every element in elements(i) {
		bounds(i, element)
	}
}

# An empty element is skipped by Kubernetes too.
elements(i) := {element | some element in split(fields[i], ","); element != ""}

# METADATA
# title: The first and the last value of an element of a field, and the step between them
# description: Undefined where Kubernetes would not take the element.
bounds(i, element) := {"from": from, "to": to, "step": step} if {
	parts := regex.find_all_string_submatch_n(`^(?:([*?])|([^/-]+)(?:-([^/-]+))?)(?:/(.+))?$`, element, 1)[0]
	from := first(i, parts[1], parts[2])
	to := last(i, parts[1], parts[3], from, contains(element, "/"))
	step := step_of(parts[4])
	step > 0
	from >= forms[i].min
	from <= to
	to <= forms[i].max
}

first(i, "", text) := value(i, text)

first(i, star, _) := forms[i].min if star != ""

last(_, "", "", from, false) := from

last(i, "", "", _, true) := forms[i].max

last(i, "", text, _, _) := value(i, text) if text != ""

last(i, star, _, _, _) := forms[i].max if star != ""

step_of("") := 1

step_of(text) := number(text)

value(i, text) := forms[i].names[lower(text)]

value(_, text) := number(text)

number(text) := 0 if regex.match(`^\+?0+$`, text)

# Leading zeros are none in JSON.
number(text) := to_number(regex.find_all_string_submatch_n(`^\+?0*([1-9]\d{0,8})$`, text, 1)[0][1])

# METADATA
# title: The schedule is tied to an hour of the day
# description: Every hour and every so many hours from midnight are not.
daily if schedule in days_macros

daily if {
	valid_schedule
	some element in elements(1)
	hours := bounds(1, element)
	[hours.from, hours.to] != [0, 23]
}

# METADATA
# title: No month has such a day
# description: >-
#   Where both days are given, Kubernetes runs on either, and every week has all its days. A suspended CronJob is run by
#   hand, and some say so with a day that is not.
never if {
	valid_schedule
	not input.object.spec.suspend == true
	regex.match(`(?:^|,)[*?](?:/\+?0*1)?(?:,|$)`, fields[4])
	earliest := min({bounds(2, element).from | some element in elements(2)})
	every element in elements(3) {
		span := bounds(3, element)
		named_months := {month | some month in numbers.range(span.from, span.to); (month - span.from) % span.step == 0}
		every month in named_months {
			days[month] < earliest
		}
	}
}

days := [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

named(zone) if {
	is_string(zone)
	lower(zone) != "local"
	every part in split(zone, "/") {
		regex.match(`^[A-Za-z._0-9+][A-Za-z._0-9+-]{0,13}$`, part)
		not part in {".", ".."}
	}
}

utc := {"op": "add", "path": "/spec/timeZone", "value": "Etc/UTC"}

empty_fix(zone) := {"fix": [utc]} if zone == ""

empty_fix(zone) := {} if zone != ""

zone_fix := {"fix": [
	{"op": "add", "path": "/spec/schedule", "value": schedule},
	{"op": "add", "path": "/spec/timeZone", "value": zoned[0][1]},
]} if {
	named(zoned[0][1])
	valid_schedule
	object.get(input.object.spec, "timeZone", null) == null
} else := {}
