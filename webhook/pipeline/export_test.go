package pipeline

import (
	"context"

	"taffrail.dev/webhook/decision"
)

// FieldsOfCronJob returns which fields of a Job come from its CronJob, for tests of fields that no policy of
// the library reads.
func FieldsOfCronJob(ctx context.Context, r *decision.Request, live Live) (func(path string) bool, error) {
	found, _, err := compareWithCronJob(ctx, r, live)
	return found.has, err
}
