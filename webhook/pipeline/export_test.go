package pipeline

import (
	"context"

	"taffrail.dev/webhook/decision"
)

// FieldsOfCronJob tells which fields of a Job are those of its CronJob, for tests of what no
// policy of the library reads.
func FieldsOfCronJob(ctx context.Context, r *decision.Request, live Live) (func(path string) bool, error) {
	found, _, err := compareWithCronJob(ctx, r, live)
	return found.has, err
}
