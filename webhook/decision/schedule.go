package decision

// Schedule is a CronJob's spec.schedule, parsed as Kubernetes does.
type Schedule struct {
	// Text is the schedule, and Zone the time zone in front of it, as in TZ=Zone Text.
	// Kubernetes requires it in spec.timeZone instead.
	Text, Zone string
	// Zones has the exact names of those among Zone and spec.timeZone that exist.
	Zones []string
	// Valid is false if Kubernetes rejects Text, whatever its zone.
	Valid bool
	// Fields is the number of fields, or 0 for a macro such as @daily.
	Fields int
	// Faults has the errors of the fields, if there are five.
	Faults []ScheduleFault
	// Daily is true if runs are tied to an hour of the day.
	Daily bool
	// Interval is the shortest time between two runs in seconds, or 0 if there are no two runs.
	Interval int64
}

// ScheduleFault is an invalid field.
type ScheduleFault struct {
	// Field is the field's name, as in "day of month", Text its content, and Range the valid
	// values.
	Field, Text, Range string
}
