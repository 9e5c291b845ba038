package request_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

func schedule(t *testing.T, text any) *decision.Schedule {
	t.Helper()
	r, err := request.Manifest(map[string]any{
		"apiVersion": "batch/v1", "kind": "CronJob", "metadata": map[string]any{"name": "c"},
		"spec": map[string]any{"schedule": text},
	}, "shop")
	if err != nil {
		t.Fatal(err)
	}
	return r.Schedule
}

func TestInterval(t *testing.T) {
	const day = 86400
	for text, seconds := range map[string]int64{
		"* * * * *":        60,
		"*/5 * * * *":      300,
		"0,10,25 * * * *":  600,
		"0 * * * *":        3600,
		"*/60 * * * *":     3600,
		"0 0,6 * * *":      6 * 3600,
		"30 23,0 * * *":    3600, // across midnight
		"5/20 1-3 * * ?":   1200,
		"0 */24 * * *":     day,
		"  0\t0 * * *  ":   day,
		"0 0 1-31/2 * *":   day,      // the 31st and the 1st
		"0 0 13 * 5":       day,      // the 13th or a Friday
		"0 0 */2 * 1":      day,      // a star with a step does not count as a star: odd days or Mondays
		"0 0 */30 * *":     day,      // the 31st and the 1st: a star begins at the field's minimum
		"0 0 1 */11 *":     31 * day, // December and January
		"0 0 * jan SUN":    7 * day,
		"0 0 1 * *":        28 * day, // February
		"0 0 29 2 *":       (4*365 + 1) * day,
		"0 0 30 2,4 *":     365 * day,
		"0 0 30 2 *":       0,
		"0 0 31 4,6 *":     0,
		"@hourly":          3600,
		"@weekly":          7 * day,
		"@every 90s":       90,
		"@every 1.5h":      5400,
		"@every 500ms":     1,
		"@every -5m":       1,
		"TZ=UTC 0 * * * *": 3600,
	} {
		if s := schedule(t, text); !s.Valid || s.Interval != seconds {
			t.Errorf("%q: %+v, want %d", text, s, seconds)
		}
	}
}

// Each name stands for its number, in upper or lower case.
func TestNamesInSchedules(t *testing.T) {
	const day = 86400
	for i, name := range []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"} {
		days := []int64{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[i]
		for _, text := range []string{name, strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:]} {
			if s := schedule(t, fmt.Sprintf("0 0 1 %s,%d *", text, (i+1)%12+1)); !s.Valid || s.Interval != days*day {
				t.Errorf("%s: %+v", text, s)
			}
		}
		if s := schedule(t, fmt.Sprintf("0 0 1 %s,%d *", name, i+1)); !s.Valid || s.Interval != 365*day {
			t.Errorf("%s is not %d: %+v", name, i+1, s)
		}
	}
	for i, name := range []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} {
		if s := schedule(t, fmt.Sprintf("0 0 * * %s,%d", strings.ToUpper(name), i)); !s.Valid || s.Interval != 7*day {
			t.Errorf("%s is not %d: %+v", name, i, s)
		}
		if s := schedule(t, fmt.Sprintf("0 0 * * %s,%d", name, (i+1)%7)); !s.Valid || s.Interval != day {
			t.Errorf("%s: %+v", name, s)
		}
	}
	for name, want := range map[string]int64{"@yearly": 365 * day, "@annually": 365 * day, "@monthly": 28 * day, "@weekly": 7 * day, "@daily": day, "@midnight": day, "@hourly": 3600} {
		if s := schedule(t, name); !s.Valid || s.Interval != want || s.Daily != (name != "@hourly") {
			t.Errorf("%s: %+v", name, s)
		}
	}
	for field, texts := range map[string][]string{
		"minute": {"60", "0-60", "-"}, "hour": {"24", "1-24"}, "day of month": {"0", "32", "0-3"}, "month": {"0", "13", "mon", "1-13"}, "day of week": {"7", "jan", "0-7"},
	} {
		at := map[string]int{"minute": 0, "hour": 1, "day of month": 2, "month": 3, "day of week": 4}[field]
		for _, text := range texts {
			fields := []string{"*", "*", "*", "*", "*"}
			fields[at] = text
			if s := schedule(t, strings.Join(fields, " ")); s.Valid || len(s.Faults) != 1 || s.Faults[0].Field != field || s.Faults[0].Text != text {
				t.Errorf("%s %s: %+v", field, text, s)
			}
		}
		fields := []string{"*", "*", "*", "*", "*"}
		fields[at] = map[string]string{"minute": "0-59", "hour": "0-23", "day of month": "1-31", "month": "1-12", "day of week": "0-6"}[field]
		if s := schedule(t, strings.Join(fields, " ")); !s.Valid || s.Interval != 60 {
			t.Errorf("%s in full: %+v", field, s)
		}
	}
}

func TestSchedulesThatAreRefused(t *testing.T) {
	for text, want := range map[string]decision.Schedule{
		"":             {},
		"* * * *":      {Fields: 4},
		"0 0 2 * * *":  {Fields: 6},
		"@reboot":      {},
		"@every soon":  {},
		"@Daily":       {},
		"60 * * 13 *":  {Fields: 5, Faults: []decision.ScheduleFault{{Field: "minute", Text: "60", Range: "0-59"}, {Field: "month", Text: "13", Range: "1-12 or JAN-DEC"}}},
		"* 22-2 * * *": {Fields: 5, Faults: []decision.ScheduleFault{{Field: "hour", Text: "22-2", Range: "0-23"}}},
		"* * 1,32 * *": {Fields: 5, Faults: []decision.ScheduleFault{{Field: "day of month", Text: "1,32", Range: "1-31"}}},
		"* * * * 7":    {Fields: 5, Faults: []decision.ScheduleFault{{Field: "day of week", Text: "7", Range: "0-6 or SUN-SAT, where Sunday is 0"}}},
		// The parser panics if nothing follows a zone.
		"TZ=UTC TZ=UTC":         {Fields: 1, Zone: "UTC", Zones: []string{"UTC"}},
		"TZ=UTC TZ=UTC * * * *": {Fields: 5, Zone: "UTC", Zones: []string{"UTC"}, Faults: []decision.ScheduleFault{{Field: "minute", Text: "TZ=UTC", Range: "0-59"}}},
		"CRON_TZ=Asia/Seoul ":   {Zone: "Asia/Seoul", Zones: []string{"Asia/Seoul"}},
	} {
		got := schedule(t, text)
		got.Text = ""
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
	for _, minute := range []string{
		"-1", "*/0", "*/-5", "1/2/3", "1-2-3", "1-", "/5", "5/", ",", "JAN", "1.5", "H", "L", "15W", "5#3", "99999999999999999999", "**", "1,x",
	} {
		if s := schedule(t, minute+" * * * *"); s.Valid || len(s.Faults) != 1 || s.Faults[0].Text != minute {
			t.Errorf("minute %q: %+v", minute, s)
		}
	}
	if s := schedule(t, int64(5)); s.Valid || s.Text != "" {
		t.Errorf("a number: %+v", s)
	}
}

func TestSchedulesThatAreTiedToAnHour(t *testing.T) {
	for text, want := range map[string]bool{
		"0 2 * * *": true, "0 8-18 * * *": true, "0 1/2 * * *": true, "@daily": true, "@yearly": true, "0 2,* * * *": true,
		"* * * * *": false, "0 */6 * * *": false, "0 0-23 * * *": false, "0 0/4 * * *": false, "0 ? 1 * *": false, "@hourly": false, "@every 24h": false,
	} {
		if s := schedule(t, text); !s.Valid || s.Daily != want {
			t.Errorf("%q: %+v", text, s)
		}
	}
}
