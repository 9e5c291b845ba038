package auditlog_test

import (
	"slices"
	"strings"
	"testing"

	"taffrail.dev/webhook/replay/auditlog"
)

// A log group repeats events. Only those of the same time and object are the same.
func TestDuplicates(t *testing.T) {
	log := strings.Join([]string{
		event(1), event(2), event(1), event(2, `"name":"web"`, `"name":"other"`), event(3, `"auditID":"id-3",`, ""), event(3, `"auditID":"id-3",`, ""), event(2),
	}, "\n")
	ids, _, stats := read(t, auditlog.Options{}, map[string]string{"a": log, "b": event(1)})
	if !slices.Equal(ids, []string{"1", "2", "2", "", ""}) || stats.Duplicates != 3 || stats.Writes != 8 {
		t.Errorf("%v, %+v", ids, stats)
	}
}

// A clock that is wrong for a moment does not end the sorting.
func TestClockJumps(t *testing.T) {
	const year = 365 * 24 * 3600
	for what, test := range map[string]struct {
		events     []int
		want       []string
		outOfOrder int64
	}{
		"one event of the future":      {[]int{10, 40 * year, 13, 12, 15, 14}, []string{"10", "12", "13", "14", "15", "1261440000"}, 0},
		"the first is of the future":   {[]int{40 * year, 13, 12, 15, 14}, []string{"12", "13", "14", "15", "1261440000"}, 0},
		"one event of the past":        {[]int{-40 * year, 13, 12, 15, 14}, []string{"-1261440000", "12", "13", "14", "15"}, 0},
		"the log goes on a year later": {[]int{10, year, year + 2, year + 1}, []string{"10", "31536000", "31536001", "31536002"}, 0},
	} {
		var lines []string
		for _, n := range test.events {
			lines = append(lines, event(n))
		}
		ids, _, stats := read(t, auditlog.Options{}, map[string]string{"a": strings.Join(lines, "\n")})
		if !slices.Equal(ids, test.want) || stats.OutOfOrder != test.outOfOrder {
			t.Errorf("%s: %v, %+v", what, ids, stats)
		}
	}
	// What is read after the jump is returned before the end of the file: sorting does not keep everything in memory.
	var lines []string
	for n := range 20_000 {
		lines = append(lines, event(year+n, `{"kind":"Deployment","a":"}{\n"}`, `{"kind":"Deployment","a":"`+strings.Repeat("x", 2000)+`"}`))
	}
	log := auditlog.Open([]string{auditlog.Stdin}, auditlog.Options{Stdin: strings.NewReader(event(1) + "\n" + strings.Join(lines, "\n"))})
	for e := range log.Writes() {
		if e.AuditID == "id-31536001" {
			break
		}
	}
	if n := log.Stats().Writes; n > 2000 {
		t.Errorf("%d events were read before the second one was returned", n)
	}
}

// A line may contain many texts.
func TestManyTextsInALine(t *testing.T) {
	line := "2026-11-01T08:00:02Z " + strings.Repeat("{}", 4<<20-1000)
	ids, _, stats := read(t, auditlog.Options{}, map[string]string{"a": line + "\n" + event(1)})
	if !slices.Equal(ids, []string{"1"}) || stats.Other != 4<<20-1000 {
		t.Errorf("%v, %+v", ids, stats)
	}
}

// Everything that a text of an event takes counts.
func TestSize(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for _, edit := range [][2]string{
		{`"x/y":"z"`, `"x/y":"` + long + `"`}, {`"id-1"`, `"` + long + `"`}, {`"groups":["dev"]`, `"groups":["` + long + `"]`}, {`{"a":["b"]}`, `{"a":["` + long + `"]}`},
		{`"name":"web"`, `"name":"` + long + `"`}, {`"code":201`, `"code":201,"message":"` + long + `"`},
		{`"username":"alice"`, `"username":"` + long + `"`}, {`"a":"}{\n"`, `"a":"` + long + `"`},
	} {
		_, events, _ := read(t, auditlog.Options{}, map[string]string{"a": event(1, edit[0], edit[1])})
		if n := events[0].Size(); n < 100_000 || n > 110_000 {
			t.Errorf("%s: %d", edit[0], n)
		}
	}
}
