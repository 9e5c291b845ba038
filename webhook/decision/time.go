package decision

import "time"

// TimeText returns a time to the minute, as messages have it: 2027-01-31 00:00 UTC.
func TimeText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
