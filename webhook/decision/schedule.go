package decision

// Schedule is a CronJob's spec.schedule, read as Kubernetes reads it.
type Schedule struct {
	// Text is the schedule, and Zone the time zone that was written in front of it: TZ=Zone
	// Text. Kubernetes wants it in spec.timeZone.
	Text, Zone string
	// Zones are those of Zone and of spec.timeZone that exist, by their exact names.
	Zones []string
	// Valid is false for text that Kubernetes refuses, whatever zone is in front.
	Valid bool
	// Fields is how many there are, 0 for a macro such as @daily.
	Fields int
	// Faults are those of the fields, where there are five.
	Faults []ScheduleFault
	// Daily is true where runs are tied to an hour of the day.
	Daily bool
	// Interval is the least time between two runs in seconds; 0 where there are no two.
	Interval int64
}

// ScheduleFault is a field that is wrong.
type ScheduleFault struct {
	// Field is its name, as in "day of month", Text what is written, Range what may be.
	Field, Text, Range string
}
