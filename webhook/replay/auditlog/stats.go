package auditlog

import (
	"slices"
	"time"
)

// Stats counts what a log contains.
type Stats struct {
	// Files counts the files that were read, and Bytes the bytes in them, as stored.
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
	// Unread counts the files that could not be opened. They are among the Problems.
	Unread int `json:"unread"`
	// Events counts the events, in every stage.
	Events int64 `json:"events"`
	// Reads counts the events that are not completed writes.
	Reads  int64 `json:"reads"`
	Writes int64 `json:"writes"`
	// Duplicates counts the writes that the log has more than once. They are returned once.
	Duplicates int64 `json:"duplicates"`
	// Damaged counts the files of which only a part could be read. They are among the Problems.
	Damaged int `json:"damaged"`
	// Truncated counts the writes whose objects were too large for the log.
	Truncated int64 `json:"truncated"`
	// Other counts the texts that are not audit events: other logs of the same log group.
	Other int64 `json:"other"`
	// GKE counts the entries in the format of Google Cloud, which is not read.
	GKE int64 `json:"gke"`
	// OutOfOrder counts the writes that come more than five minutes after later ones, so that they are not sorted.
	OutOfOrder int64 `json:"outOfOrder"`
	// Broken counts the problems. Problems has the first of them.
	Broken   int64     `json:"broken"`
	Problems []Problem `json:"problems"`
	// First and Last are the times of the first and the last event. They are zero if there is none.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`

	minutes map[int64]struct{}
}

const (
	// maxProblems is the number of problems that are kept.
	maxProblems = 20
	// maxMinutes limits the memory for gaps: a year.
	maxMinutes = 366 * 24 * 60
	// minGap is the length from which on it is noticed that there are no events. API servers renew Leases every few
	// seconds.
	minGap = 5 * time.Minute
)

func (s *Stats) problem(at Position, reason string) {
	s.Broken++
	if len(s.Problems) < maxProblems {
		s.Problems = append(s.Problems, Problem{at, reason})
	}
}

func (s *Stats) event(when time.Time, write bool) {
	s.Events++
	if write {
		s.Writes++
	} else {
		s.Reads++
	}
	if when.IsZero() {
		return
	}
	if s.First.IsZero() || when.Before(s.First) {
		s.First = when
	}
	if when.After(s.Last) {
		s.Last = when
	}
	if s.minutes == nil {
		s.minutes = map[int64]struct{}{}
	}
	if len(s.minutes) < maxMinutes {
		s.minutes[when.Unix()/60] = struct{}{}
	}
}

// Gap is a time without events.
type Gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Gaps returns the times between the first and the last event in which there is none for minutes, sorted.
func (s *Stats) Gaps() []Gap {
	minutes := make([]int64, 0, len(s.minutes))
	for minute := range s.minutes {
		minutes = append(minutes, minute)
	}
	slices.Sort(minutes)
	var gaps []Gap
	for i := 1; i < len(minutes); i++ {
		from, to := time.Unix((minutes[i-1]+1)*60, 0), time.Unix(minutes[i]*60, 0)
		if to.Sub(from) >= minGap {
			gaps = append(gaps, Gap{from.UTC(), to.UTC()})
		}
	}
	return gaps
}
