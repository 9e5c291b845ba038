package normalize

import (
	"time"

	"github.com/netresearch/go-cron"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/review"
)

// schedules reads what Kubernetes does: five fields or a descriptor, where a day matches
// by either of its two fields.
var schedules = cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor | cron.DowOrDom)

// maxRuns bounds how many runs are looked at for the least time between two of them: two
// days of a schedule that runs every minute, years of one that runs daily.
const maxRuns = 2 * 1440

func addSchedule(r *review.Request) {
	if r.Kind.GroupKind() != (schema.GroupKind{Group: "batch", Kind: "CronJob"}) {
		return
	}
	r.Schedule = &review.Schedule{Interval: interval(stringAt(r.Object, "spec", "schedule"))}
}

// interval is the least time between two runs in seconds, 0 where there are no two.
func interval(text string) int64 {
	schedule, err := schedules.Parse(text)
	if err != nil {
		return 0
	}
	// In a fixed year, so that the answer does not depend on when it is asked for.
	last := schedule.Next(time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC))
	end := last.AddDate(5, 0, 0)
	var least time.Duration
	for range maxRuns {
		next := schedule.Next(last)
		if last.IsZero() || next.IsZero() || next.After(end) {
			break
		}
		if gap := next.Sub(last); least == 0 || gap < least {
			least = gap
		}
		if least <= time.Minute {
			break
		}
		last = next
	}
	return int64(least / time.Second)
}
