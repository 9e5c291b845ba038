package normalize

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/review"
)

func addSchedule(r *review.Request) {
	if r.Kind.GroupKind() == (schema.GroupKind{Group: "batch", Kind: "CronJob"}) {
		r.Schedule = &review.Schedule{Interval: int64(interval(stringAt(r.Object, "spec", "schedule")) / time.Second)}
	}
}

// interval is the least time between two runs, 0 where the schedule does not parse or has
// no two. What parses is what the parser that Kubernetes uses takes (ParseStandard of
// robfig/cron v3), but for a time zone in front, which Kubernetes refuses.
func interval(schedule string) time.Duration {
	if every, ok := strings.CutPrefix(schedule, "@every "); ok {
		duration, err := time.ParseDuration(every)
		if err != nil {
			return 0
		}
		return max(duration.Truncate(time.Second), time.Second)
	}
	if text, ok := descriptors[schedule]; ok {
		schedule = text
	}
	c, ok := parseCalendar(strings.Fields(schedule))
	if !ok {
		return 0
	}
	return c.interval()
}

var descriptors = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

// calendar is what five fields say: a bit for every value that matches.
type calendar struct {
	minutes, hours, days, months, weekdays uint64
	// either: a day matches by its day of the month or by its day of the week. Where one of
	// the two is a star, it has to match both.
	either bool
}

func parseCalendar(texts []string) (c calendar, ok bool) {
	if len(texts) != 5 {
		return c, false
	}
	var anyDay, anyWeekday bool
	for i, field := range []struct {
		into     *uint64
		min, max int
		names    []string
		star     *bool
	}{
		{&c.minutes, 0, 59, nil, nil},
		{&c.hours, 0, 23, nil, nil},
		{&c.days, 1, 31, nil, &anyDay},
		{&c.months, 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}, nil},
		{&c.weekdays, 0, 6, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}, &anyWeekday},
	} {
		for part := range strings.SplitSeq(texts[i], ",") {
			values, star, ok := parseRange(part, field.min, field.max, field.names)
			if !ok {
				return c, false
			}
			*field.into |= values
			if field.star != nil {
				*field.star = *field.star || star
			}
		}
	}
	c.either = !anyDay && !anyWeekday
	return c, true
}

// parseRange reads one of *, ?, a, a-b, each with a step behind a slash or without.
func parseRange(text string, least, most int, names []string) (values uint64, star, ok bool) {
	text, stepText, stepped := strings.Cut(text, "/")
	step := 1
	if stepped {
		if step, ok = named(stepText, nil, 0); !ok || step == 0 {
			return 0, false, false
		}
	}
	from, to := least, most
	if text != "*" && text != "?" {
		first, last, isRange := strings.Cut(text, "-")
		if from, ok = named(first, names, least); !ok {
			return 0, false, false
		}
		switch {
		case isRange:
			if to, ok = named(last, names, least); !ok {
				return 0, false, false
			}
		case !stepped:
			to = from
		}
	}
	if from < least || to > most || from > to {
		return 0, false, false
	}
	for value := from; value <= to; value += step {
		values |= 1 << value
	}
	return values, (text == "*" || text == "?") && step == 1, true
}

// named reads digits, or one of the names, which count from least.
func named(text string, names []string, least int) (int, bool) {
	if i := slices.Index(names, strings.ToLower(text)); i >= 0 {
		return least + i, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 0
}

// interval looks at the times of a day, and at the days of eight years: leap days are
// never further apart in this century.
func (c calendar) interval() time.Duration {
	first, last, least := -1, -1, 0
	for minute := range 24 * 60 {
		if c.hours&(1<<(minute/60)) == 0 || c.minutes&(1<<(minute%60)) == 0 {
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
		if !c.runsOn(start.AddDate(0, 0, day)) {
			continue
		}
		if gap := (day-ran)*24*60 - last + first; ran >= 0 && (least == 0 || gap < least) {
			least = gap
		}
		if ran >= 0 && day == ran+1 {
			break // no two days are nearer
		}
		ran = day
	}
	if ran < 0 {
		return 0
	}
	return time.Duration(least) * time.Minute
}

func (c calendar) runsOn(day time.Time) bool {
	if c.months&(1<<day.Month()) == 0 {
		return false
	}
	inMonth, inWeek := c.days&(1<<day.Day()) != 0, c.weekdays&(1<<day.Weekday()) != 0
	if c.either {
		return inMonth || inWeek
	}
	return inMonth && inWeek
}
