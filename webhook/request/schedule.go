package request

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// addSchedule reads the schedule of a CronJob.
func addSchedule(r *decision.Request) {
	if r.Kind.GroupKind() == (schema.GroupKind{Group: "batch", Kind: "CronJob"}) {
		s := readSchedule(stringAt(r.Object, "spec", "schedule"))
		for _, zone := range []string{s.Zone, stringAt(r.Object, "spec", "timeZone")} {
			if zoneExists(zone) && !slices.Contains(s.Zones, zone) {
				s.Zones = append(s.Zones, zone)
			}
		}
		r.Schedule = s
	}
}

// readSchedule uses Kubernetes' own parser to validate a schedule. It also computes what no parser returns: the
// shortest interval between two runs, and which field is invalid.
func readSchedule(text string) *decision.Schedule {
	s := &decision.Schedule{Text: text}
	for _, prefix := range zonePrefixes() {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			s.Zone, s.Text, _ = strings.Cut(rest, " ")
			s.Text = strings.TrimSpace(s.Text)
		}
	}
	var fields []string
	if !strings.HasPrefix(s.Text, "@") {
		fields = strings.Fields(s.Text)
		s.Fields = len(fields)
	}
	parsed, err := parse(cron.ParseStandard, s.Text)
	s.Faults = faults(fields)
	if s.Valid = err == nil && len(s.Faults) == 0; !s.Valid {
		return s
	}
	switch parsed := parsed.(type) {
	case cron.ConstantDelaySchedule:
		s.Interval = int64(parsed.Delay / time.Second)
	case *cron.SpecSchedule:
		s.Interval = int64(interval(parsed) / time.Second)
		// Every macro except @hourly is tied to an hour.
		s.Daily = len(fields) == 0 && s.Text != "@hourly" || len(fields) > 0 && namesHour(fields[1])
	}
	return s
}

func zonePrefixes() []string { return []string{"TZ=", "CRON_TZ="} }

var errZone = errors.New("a second time zone, or one in a field")

// parse hides time zones from the parser, which would look them up on this machine, and panics if nothing
// follows one.
func parse(parser func(string) (cron.Schedule, error), text string) (cron.Schedule, error) {
	if slices.ContainsFunc(zonePrefixes(), func(prefix string) bool { return strings.HasPrefix(text, prefix) }) {
		return nil, errZone
	}
	return parser(text)
}

// fieldForms lists the allowed forms of each field.
var fieldForms = [...]struct {
	option           cron.ParseOption
	name, validRange string
}{
	{cron.Minute, "minute", "0-59"},
	{cron.Hour, "hour", "0-23"},
	{cron.Dom, "day of month", "1-31"},
	{cron.Month, "month", "1-12 or JAN-DEC"},
	{cron.Dow, "day of week", "0-6 or SUN-SAT, where Sunday is 0"},
}

// faults returns which of five fields are invalid, parsing each on its own. A field that consists only of
// commas is invalid too: Kubernetes accepts it, and never runs the CronJob.
func faults(fields []string) []decision.ScheduleFault {
	if len(fields) != len(fieldForms) {
		return nil
	}
	var all []decision.ScheduleFault
	for i, text := range fields {
		form := &fieldForms[i]
		if _, err := parse(cron.NewParser(form.option).Parse, text); err != nil || strings.Trim(text, ",") == "" {
			all = append(all, decision.ScheduleFault{Field: form.name, Text: text, Range: form.validRange})
		}
	}
	return all
}

// namesHour reports whether a valid hours field ties runs to an hour of the day: a single hour, or a range that
// is not the whole day.
func namesHour(field string) bool {
	return slices.ContainsFunc(strings.Split(field, ","), func(part string) bool {
		hours, _, stepped := strings.Cut(part, "/")
		first, last, isRange := strings.Cut(hours, "-")
		if first == "" || first == "*" || first == "?" {
			return false
		}
		from, _ := strconv.Atoi(first) // valid, as checked by the parser
		to, _ := strconv.Atoi(last)
		return from > 0 || isRange && to < 23 || !isRange && !stepped
	})
}

// interval returns the shortest time between two runs, or 0 if there are fewer than two. It considers the times
// within a day, and the days of eight years, because leap days of this century are at most that far apart.
func interval(c *cron.SpecSchedule) time.Duration {
	first, last, least := -1, -1, 0
	for minute := range 24 * 60 {
		if c.Hour&(1<<(minute/60)) == 0 || c.Minute&(1<<(minute%60)) == 0 {
			continue
		}
		if last >= 0 && (least == 0 || minute-last < least) {
			least = minute - last
		}
		if first < 0 {
			first = minute
		}
		last = minute
	}
	start, ran := time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC), -1
	for day := range 8*366 + 1 {
		if !runsOn(c, start.AddDate(0, 0, day)) {
			continue
		}
		if gap := (day-ran)*24*60 - last + first; ran >= 0 && (least == 0 || gap < least) {
			least = gap
		}
		if ran >= 0 && day == ran+1 {
			break // no two days are closer
		}
		ran = day
	}
	if ran < 0 {
		return 0 // it never runs
	}
	return time.Duration(least) * time.Minute
}

// star is the bit that the parser sets for an unrestricted field.
const star = 1 << 63

// runsOn reports whether a schedule runs on a day. The day has to match the day of the month or the day of the
// week, but both if one of them is a star.
func runsOn(c *cron.SpecSchedule, day time.Time) bool {
	if c.Month&(1<<day.Month()) == 0 {
		return false
	}
	inMonth, inWeek := c.Dom&(1<<day.Day()) != 0, c.Dow&(1<<day.Weekday()) != 0
	if (c.Dom|c.Dow)&star == 0 {
		return inMonth || inWeek
	}
	return inMonth && inWeek
}
