package oracle

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/robfig/cron/v3"

	"taffrail.dev/webhook/request"
)

// TestSchedules compares random schedules with the parser that Kubernetes uses: how they are read, and the
// shortest interval between two runs of its own clock.
func TestSchedules(t *testing.T) {
	chooseSeed()
	random := rand.New(rand.NewPCG(*seed, 0))
	valid, never := 0, 0
	const schedules = 5000
	for range schedules {
		text := randomSchedule(random)
		want, err := cron.ParseStandard(text)
		r, failed := request.Manifest(map[string]any{
			"apiVersion": "batch/v1", "kind": "CronJob", "metadata": map[string]any{"name": "c"},
			"spec": map[string]any{"schedule": text},
		}, "default")
		if failed != nil {
			t.Fatal(failed)
		}
		if r.Schedule.Valid != (err == nil) {
			t.Fatalf("seed %d: %q: valid is %t, but Kubernetes' parser says %v", *seed, text, r.Schedule.Valid, err)
		}
		if err != nil {
			continue
		}
		valid++
		least := leastInterval(want)
		if least == 0 {
			never++
		}
		if got := time.Duration(r.Schedule.Interval) * time.Second; got != least {
			t.Fatalf("seed %d: %q: the interval is %s, but Kubernetes' clock says %s", *seed, text, got, least)
		}
	}
	fmt.Printf("oracle: seed %d: %d schedules: %d valid, of which %d never run twice\n", *seed, schedules, valid, never)
	if valid < schedules/4 {
		t.Error("too few are valid")
	}
}

// leastInterval examines every run in eight years, or two minutes of a schedule that runs every minute.
func leastInterval(schedule cron.Schedule) (least time.Duration) {
	at := schedule.Next(time.Date(2026, time.December, 31, 23, 59, 59, 0, time.UTC))
	end := time.Date(2035, time.January, 1, 0, 0, 0, 0, time.UTC)
	for least != time.Minute {
		next := schedule.Next(at)
		if at.IsZero() || next.IsZero() || next.After(end) {
			break
		}
		if gap := next.Sub(at); least == 0 || gap < least {
			least = gap
		}
		at = next
	}
	return least
}

// randomSchedule returns a schedule that runs rarely, so that eight years of it are examined quickly.
func randomSchedule(r *rand.Rand) string {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	number := func(least, most int) string { return fmt.Sprint(least + r.IntN(most-least+1)) }
	element := func(least, most int, names ...string) string {
		switch r.IntN(8) {
		case 0:
			return "*/" + number(1, most+1)
		case 1:
			return number(least, most) + "-" + number(least, most)
		case 2:
			return number(least, most) + "/" + number(0, 5)
		case 3:
			return pick(append(names, "?", "*")...)
		case 4:
			return number(least-1, most+2)
		case 5:
			return number(least, most) + "," + number(least, most)
		}
		return number(least, most)
	}
	fields := []string{
		number(0, 59), pick(number(0, 23), element(0, 23)), element(1, 31, "L"), element(1, 12, "JAN", "feb", "XYZ"),
		element(0, 6, "sun", "MON", "FRIDAY"),
	}
	if r.IntN(4) == 0 {
		fields[0] = element(0, 59)
		fields[1], fields[2] = number(0, 23), number(1, 31)
	}
	return strings.Join(fields, " ")
}
