package normalize_test

import (
	"testing"

	"taffrail.dev/webhook/normalize"
)

func TestSchedule(t *testing.T) {
	for schedule, seconds := range map[string]int64{
		"* * * * *":        60,
		"*/5 * * * *":      300,
		"0,10,25 * * * *":  600,
		"0 * * * *":        3600,
		"0 0,6 * * *":      6 * 3600,
		"30 23,0 * * *":    3600,
		"0 0 * * *":        86400,
		"0 0 1 * *":        28 * 86400, // February
		"0 0 13 * 5":       86400,      // the 13th or a Friday, whichever comes
		"0 0 29 2 *":       4*365*86400 + 86400,
		"@hourly":          3600,
		"@every 90s":       90,
		"0 0 30 2 *":       0,
		"every day":        0,
		"* * * *":          0,
		"*/60 * * * *":     3600, // Kubernetes takes it
		"0 */24 * * *":     86400,
		"0 22-2 * * *":     0,
		"0 0 * * 7":        0,
		"0 0 * jan SUN":    7 * 86400,
		"5/20 1-3 * * ?":   1200,
		"0 0 1-31/2 * *":   86400, // the 31st and the 1st
		"0 0 */2 * 1":      86400, // a star with a step is none: odd days or Mondays
		"TZ=UTC 0 * * * *": 0,
		"@every 500ms":     1,
		"@every soon":      0,
		"60 * * * *":       0,
		"":                 0,
	} {
		r, err := normalize.Manifest(map[string]any{
			"apiVersion": "batch/v1", "kind": "CronJob", "metadata": map[string]any{"name": "c"},
			"spec": map[string]any{"schedule": schedule},
		}, "shop")
		if err != nil {
			t.Fatal(err)
		}
		if r.Schedule == nil || r.Schedule.Interval != seconds {
			t.Errorf("%q: %+v, want %d", schedule, r.Schedule, seconds)
		}
	}
}
