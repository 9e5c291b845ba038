package request

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// addSchedule reads what the parser takes that Kubernetes uses (ParseStandard of
// robfig/cron v3).
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

func readSchedule(text string) *decision.Schedule {
	s := &decision.Schedule{Text: text}
	for _, prefix := range []string{"TZ=", "CRON_TZ="} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			s.Zone, s.Text, _ = strings.Cut(rest, " ")
			s.Text = strings.TrimSpace(s.Text)
		}
	}
	if every, ok := strings.CutPrefix(s.Text, "@every "); ok {
		duration, err := time.ParseDuration(every)
		if s.Valid = err == nil; s.Valid {
			s.Interval = int64(max(duration/time.Second, 1))
		}
		return s
	}
	fields := strings.Fields(s.Text)
	if strings.HasPrefix(s.Text, "@") {
		fields = strings.Fields(macros[s.Text])
	} else {
		s.Fields = len(fields)
	}
	if len(fields) != len(fieldForms) {
		return s
	}
	c, faults := parseCalendar(fields)
	s.Valid, s.Faults = len(faults) == 0, faults
	if s.Valid {
		s.Daily, s.Interval = c.daily, int64(c.interval()/time.Second)
	}
	return s
}

var macros = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

// fieldForms is what each field may say. Names count from least.
var fieldForms = [...]struct {
	name, says  string
	least, most int
	names       []string
}{
	{"minute", "0-59", 0, 59, nil},
	{"hour", "0-23", 0, 23, nil},
	{"day of month", "1-31", 1, 31, nil},
	{"month", "1-12 or JAN-DEC", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{"day of week", "0-6 or SUN-SAT, where Sunday is 0", 0, 6, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

// calendar is what five fields say: a bit for every value that matches.
type calendar struct {
	minutes, hours, days, months, weekdays uint64
	// daily: some hour is named, alone or in a range that is not the whole day.
	daily bool
	// either: a day matches by its day of the month or by its day of the week. Where one of
	// the two is a star, it has to match both.
	either bool
}

func parseCalendar(texts []string) (calendar, []decision.ScheduleFault) {
	var values [len(fieldForms)]uint64
	var stars [len(fieldForms)]bool
	var faults []decision.ScheduleFault
	c := calendar{}
	for i, text := range texts {
		form := &fieldForms[i]
		for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' }) {
			r, ok := parseRange(part, form.least, form.most, form.names)
			if !ok {
				values[i] = 0
				break
			}
			values[i] |= r.values()
			stars[i] = stars[i] || r.star
			c.daily = c.daily || form.name == "hour" && (r.from > form.least || r.to < form.most)
		}
		if values[i] == 0 {
			faults = append(faults, decision.ScheduleFault{Field: form.name, Text: text, Range: form.says})
		}
	}
	c.minutes, c.hours, c.days, c.months, c.weekdays = values[0], values[1], values[2], values[3], values[4]
	c.either = !stars[2] && !stars[4]
	return c, faults
}

// span is every step-th value from one to another.
type span struct {
	from, to, step int
	star           bool
}

func (s span) values() (values uint64) {
	for value := s.from; value <= s.to; value += s.step {
		values |= 1 << value
	}
	return values
}

// parseRange reads one of *, ?, a, a-b, each with a step behind a slash or without.
func parseRange(text string, least, most int, names []string) (s span, ok bool) {
	text, step, stepped := strings.Cut(text, "/")
	s = span{from: least, to: most, step: 1}
	if stepped {
		if s.step, ok = named(step, nil, 0); !ok || s.step == 0 {
			return s, false
		}
	}
	first, last, isRange := strings.Cut(text, "-")
	if first == "*" || first == "?" {
		s.star = s.step == 1
		return s, true // whatever is behind a hyphen
	}
	if s.from, ok = named(first, names, least); !ok {
		return s, false
	}
	switch {
	case isRange:
		if s.to, ok = named(last, names, least); !ok {
			return s, false
		}
	case !stepped:
		s.to = s.from
	}
	return s, least <= s.from && s.from <= s.to && s.to <= most
}

// named reads digits, or one of the names.
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
		return 0 // never
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
