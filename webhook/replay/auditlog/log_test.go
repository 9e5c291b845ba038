package auditlog_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"taffrail.dev/webhook/replay/auditlog"
)

var began = time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)

// event returns a write of a Deployment, as the API server writes it, n seconds after began.
func event(n int, edits ...string) string {
	at := began.Add(time.Duration(n) * time.Second).Format(time.RFC3339Nano)
	text := fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"id-%d","stage":"ResponseComplete",`+
		`"requestURI":"/apis/apps/v1/namespaces/shop/deployments","verb":"create","user":{"username":"alice","groups":["dev"],"extra":{"a":["b"]}},`+
		`"sourceIPs":["10.0.0.1"],"userAgent":"kubectl","objectRef":{"resource":"deployments","namespace":"shop","name":"web","apiGroup":"apps","apiVersion":"v1"},`+
		`"responseStatus":{"metadata":{},"code":201},"requestObject":{"kind":"Deployment","a":"}{\n"},"responseObject":{"kind":"Deployment","b":[1,{"c":null}]},`+
		`"requestReceivedTimestamp":%q,"stageTimestamp":%q,"annotations":{"x/y":"z"}}`, n, at, at)
	return strings.NewReplacer(edits...).Replace(text)
}

func quoted(text string) string {
	encoded, _ := json.Marshal(text) // a string always encodes
	return string(encoded)
}

func gzipped(parts ...string) string {
	var all bytes.Buffer
	for _, part := range parts {
		w := gzip.NewWriter(&all)
		w.Write([]byte(part)) //nolint:errcheck // a buffer takes everything
		w.Close()
	}
	return all.String()
}

func zstandard(text string) string {
	encoder, _ := zstd.NewWriter(nil) // it has no options
	return string(encoder.EncodeAll([]byte(text), nil))
}

// read writes files to a folder and returns the auditIDs of the writes in them.
func read(t *testing.T, o auditlog.Options, files map[string]string) ([]string, []*auditlog.Event, *auditlog.Stats) {
	t.Helper()
	folder := t.TempDir()
	for name, content := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, err := auditlog.Find([]string{folder})
	if err != nil {
		t.Fatal(err)
	}
	log := auditlog.Open(found, o)
	var ids []string
	var events []*auditlog.Event
	for e := range log.Writes() {
		ids = append(ids, strings.TrimPrefix(e.AuditID, "id-"))
		events = append(events, e)
	}
	return ids, events, log.Stats()
}

func TestFormats(t *testing.T) {
	two := event(1) + "\n" + event(2) + "\n"
	entry := func(n int) string {
		return fmt.Sprintf(`{"id":"%d","logStreamName":"kube-apiserver-audit-1","timestamp":%d,"message":%s}`, n, began.UnixMilli(), quoted(event(n)))
	}
	list := `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[` + event(1) + "," + event(2) + `]}`
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(list), "", "  "); err != nil {
		t.Fatal(err)
	}
	envelope := func(n int) string {
		return `{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","subscriptionFilters":["f"],"logEvents":[` + entry(n) + `]}`
	}
	azure := func(n int) string {
		return `{"category":"kube-audit","operationName":"x","properties":{"log":` + quoted(event(n)+"\n") + `,"stream":"stdout"}}`
	}
	for name, content := range map[string]string{
		"JSON lines":                  two,
		"no line break at the end":    strings.TrimSpace(two),
		"CRLF":                        strings.ReplaceAll(two, "\n", "\r\n"),
		"no line breaks":              event(1) + event(2),
		"EventList":                   list,
		"EventList, indented":         indented.String(),
		"lists, one a line":           list[:strings.LastIndex(list, ","+event(2))] + "]}\n" + event(2),
		"gzip":                        gzipped(two),
		"gzip, members":               gzipped(event(1)+"\n", event(2)),
		"gzip, twice":                 gzipped(gzipped(event(1)), gzipped(event(2))),
		"zstd":                        zstandard(two),
		"zstd in gzip":                gzipped(zstandard(two)),
		"CloudWatch export":           gzipped("2026-11-01T08:00:01.000Z " + event(1) + "\n2026-11-01T08:00:02.000Z " + event(2) + "\n"),
		"filter-log-events":           `{"events":[` + entry(1) + "," + entry(2) + `],"searchedLogStreams":[]}`,
		"filter-log-events, indented": "{\n    \"events\": [\n        " + entry(1) + ",\n        " + entry(2) + "\n    ],\n    \"nextToken\": \"x\"\n}\n",
		"get-log-events":              `{"nextForwardToken":"f/1","events":[` + entry(1) + "," + entry(2) + `],"nextBackwardToken":"b/1"}`,
		"Firehose":                    gzipped(envelope(1) + `{"messageType":"CONTROL_MESSAGE","logEvents":[]}` + envelope(2)),
		"Firehose, twice":             gzipped(gzipped(envelope(1)) + gzipped(envelope(2))),
		"AKS":                         azure(1) + "\n" + azure(2),
		"AKS records":                 `{"records":[` + azure(1) + "," + azure(2) + `]}`,
		"array of EventLists":         "[" + list[:strings.LastIndex(list, ","+event(2))] + "]}," + strings.SplitN(list, event(1), 2)[0] + event(2) + "]}]",
		"array of pages":              `[{"events":[` + entry(1) + `],"nextToken":"x"}, {"events": [` + entry(2) + `]}]`,
		"array of indented lists":     "[" + indented.String() + "]",
		"array of arrays":             "[[" + event(1) + "],[" + event(2) + "]]",
		"array":                       "[" + event(1) + ",\n" + event(2) + "]",
		"container log":               `{"log":` + quoted(event(1)+"\n") + `,"stream":"stdout"}` + "\n" + event(2),
		"byte for byte, indented":     "{\n\"kind\":\"Event\"," + strings.TrimPrefix(event(1), `{"kind":"Event",`) + "\n" + event(2),
	} {
		t.Run(name, func(t *testing.T) {
			ids, events, stats := read(t, auditlog.Options{}, map[string]string{"audit.log": content})
			if !slices.Equal(ids, []string{"1", "2"}) || stats.Broken != 0 || stats.Events != 2 || stats.Writes != 2 {
				t.Fatalf("%v, %+v", ids, stats)
			}
			e := events[1]
			if e.User.Username != "alice" || e.User.Extra["a"][0] != "b" || e.Object.Name != "web" || e.Status.Code != 201 || e.Truncated ||
				string(e.RequestObject) != `{"kind":"Deployment","a":"}{\n"}` && !strings.Contains(name, "indented") || e.Annotations["x/y"] != "z" ||
				!e.Completed.Equal(began.Add(2*time.Second)) || e.Level != auditlog.LevelRequestResponse {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestOnlyCompletedWritesAreReturned(t *testing.T) {
	log := strings.Join([]string{
		event(1, `"verb":"create"`, `"verb":"list"`), event(2, "ResponseComplete", "RequestReceived"), event(3), event(4, "ResponseComplete", "Panic"),
		event(5, `"verb":"create"`, `"verb":"deletecollection"`),
	}, "\n")
	ids, _, stats := read(t, auditlog.Options{}, map[string]string{"a": log})
	if !slices.Equal(ids, []string{"3", "5"}) || stats.Events != 5 || stats.Reads != 3 || stats.Writes != 2 {
		t.Errorf("%v, %+v", ids, stats)
	}
}

// What is damaged is counted and named by its line, and the rest is read.
func TestDamage(t *testing.T) {
	whole := event(2)
	beginning, _, _ := strings.Cut(whole, `"b":[`)
	long := event(7, `"b":[`, `"b":["`+strings.Repeat("x", 9<<20)+`",`)
	for name, test := range map[string]struct {
		content          string
		ids              []string
		broken           int64
		truncated, other int64
		at               string
	}{
		"cut before the user":   {event(1) + "\n" + whole[:150] + "\n" + event(3), []string{"1", "3"}, 1, 0, 0, "a:2"},
		"cut in an object":      {event(1) + "\n" + beginning + "\n" + event(3), []string{"1", "2", "3"}, 0, 1, 0, ""},
		"cut in a string":       {event(1) + "\n" + whole[:strings.Index(whole, `}{\n`)+1] + "\n" + event(3), []string{"1", "2", "3"}, 0, 1, 0, ""},
		"cut with a marker":     {event(1) + "\n" + beginning + "[Truncated...]\n" + event(3), []string{"1", "2", "3"}, 0, 1, 0, ""},
		"cut in CloudWatch":     {"2026-11-01T08:00:02Z " + beginning + "\n2026-11-01T08:00:03Z " + event(3), []string{"2", "3"}, 0, 1, 0, ""},
		"a tail":                {"2026-11-01T08:00:02Z " + whole[200:] + "\n" + event(3), []string{"3"}, 0, 0, 1, ""},
		"a tail of a line":      {whole[200:] + "\n" + event(3), []string{"3"}, 1, 0, 0, "a:1"},
		"too long":              {event(1) + "\n" + long + "\n" + event(3), []string{"1", "7", "3"}, 0, 1, 0, ""},
		"too long, in a list":   {"[" + event(1) + "," + long + "," + event(3) + "]", []string{"1", "7", "3"}, 0, 1, 0, ""},
		"a line of 100 MB":      {event(1) + "\n" + strings.Repeat("x", 100<<20) + "\n" + event(3), []string{"1", "3"}, 1, 0, 0, "a:2"},
		"a wrong type":          {event(1, `"verb":"create"`, `"verb":"create","verb":"create"`, `{"username":"alice"`, `7,"u":{"username":"alice"`) + "\n" + event(3), []string{"3"}, 1, 0, 0, "a:1"},
		"not a time":            {event(1, `"stageTimestamp":"2026`, `"stageTimestamp":"2O26`) + "\n" + event(3), []string{"3"}, 1, 0, 0, "a:1"},
		"gzip ends early":       {gzipped(event(1) + "\n" + event(2) + "\n" + event(3) + "\n")[:250], []string{}, 1, 0, 0, ""},
		"list ends early":       {"[" + event(1) + "," + event(2), []string{"1", "2"}, 1, 0, 0, ""},
		"garbage":               {"\x00\xff\x00\n" + event(1), []string{"1"}, 1, 0, 0, "a:1"},
		"AKS, cut":              {`{"time":"2026-11-01T08:00:02Z","properties":{"log":` + quoted(beginning) + `}}`, []string{"2"}, 0, 1, 0, ""},
		"annotated as cut":      {event(1, `"x/y":"z"`, `"audit.k8s.io/truncated":"true"`), []string{"1"}, 0, 1, 0, ""},
		"other logs":            {"2026-11-01T08:00:02Z I1101 08:00:02 trace.go:1 hello\n" + `{"log":"hello"}` + "\n" + `{"hello":1}` + "\n" + event(1), []string{"1"}, 0, 0, 3, ""},
		"deeply nested":         {strings.Repeat("[", 1<<20) + "\n" + event(1), []string{"1"}, 1, 0, 0, ""},
		"closed more than open": {event(1) + "}\n" + event(2), []string{"1", "2"}, 1, 0, 0, "a:1"},
	} {
		t.Run(name, func(t *testing.T) {
			ids, events, stats := read(t, auditlog.Options{}, map[string]string{"a": test.content})
			if name == "gzip ends early" {
				ids = []string{} // how much is left depends on the compressor
			}
			if damaged := name == "gzip ends early"; (stats.Damaged == 1) != damaged {
				t.Errorf("%+v", stats)
			}
			if !slices.Equal(ids, test.ids) || stats.Broken != test.broken || stats.Truncated != test.truncated || stats.Other != test.other {
				t.Fatalf("%v, %+v", ids, stats)
			}
			if test.at != "" && !strings.HasSuffix(stats.Problems[0].Position.String(), string(filepath.Separator)+test.at) {
				t.Errorf("%s", stats.Problems[0])
			}
			for _, e := range events {
				if e.Truncated && (e.ResponseObject != nil && name != "annotated as cut" || e.Completed.IsZero() || e.Object.Resource != "deployments") {
					t.Errorf("%+v", e)
				}
			}
		})
	}
}

func TestWritesAreSorted(t *testing.T) {
	files := map[string]string{
		"stream-b/000000.gz":  gzipped(event(2) + "\n" + event(4) + "\n" + event(900)),
		"stream-a/000000.gz":  gzipped(event(3) + "\n" + event(1) + "\n" + event(899) + "\n"),
		"stream-a/000001.gz":  gzipped(event(1000)),
		"aws-logs-write-test": "Permission Check Successful\n",
		".hidden/x":           event(5),
	}
	ids, _, stats := read(t, auditlog.Options{}, files)
	if !slices.Equal(ids, []string{"1", "2", "3", "4", "899", "900", "1000"}) || stats.OutOfOrder != 0 || stats.Files != 3 || stats.Broken != 0 {
		t.Errorf("%v, %+v", ids, stats)
	}
	gaps := stats.Gaps()
	if len(gaps) != 1 || !gaps[0].From.Equal(began.Add(time.Minute)) || !gaps[0].To.Equal(began.Add(14*time.Minute)) {
		t.Errorf("%+v", gaps)
	}
	ids, _, _ = read(t, auditlog.Options{Until: began.Add(4 * time.Second)}, files)
	if !slices.Equal(ids, []string{"1", "2", "3", "4"}) {
		t.Errorf("%v", ids)
	}
}

// A zstd window that is too large is named, with what to do about it.
func TestLargeWindows(t *testing.T) {
	var all bytes.Buffer
	w, err := zstd.NewWriter(&all, zstd.WithWindowSize(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(event(1) + "\n")) //nolint:errcheck // a buffer takes everything
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(event(2) + "\n")) //nolint:errcheck // as above
	w.Close()
	_, _, stats := read(t, auditlog.Options{}, map[string]string{"a": all.String()})
	if stats.Unread+stats.Damaged != 1 || !strings.Contains(stats.Problems[0].Reason, "its zstd window is larger than 8 MiB") {
		t.Errorf("%+v", stats)
	}
}

// A write that is delivered hours late is returned, and counted.
func TestLateWrites(t *testing.T) {
	ids, _, stats := read(t, auditlog.Options{}, map[string]string{"a": event(7000) + "\n" + event(9000) + "\n" + event(8000) + "\n" + event(1)})
	if !slices.Equal(ids, []string{"7000", "8000", "1", "9000"}) && !slices.Equal(ids, []string{"7000", "1", "8000", "9000"}) || stats.OutOfOrder != 1 {
		t.Errorf("%v, %+v", ids, stats)
	}
}

func TestImpersonation(t *testing.T) {
	_, events, _ := read(t, auditlog.Options{}, map[string]string{"a": event(1, `"sourceIPs"`, `"impersonatedUser":{"username":"bob","groups":["ops"]},"sourceIPs"`)})
	if e := events[0]; e.User.Username != "bob" || e.User.Groups[0] != "ops" {
		t.Errorf("%+v", e)
	}
}

func TestGKEIsCounted(t *testing.T) {
	ids, _, stats := read(t, auditlog.Options{}, map[string]string{"a": `[{"insertId":"1","protoPayload":{"@type":"type.googleapis.com/google.cloud.audit.AuditLog"}}]`})
	if len(ids) != 0 || stats.GKE != 1 || stats.Other != 0 {
		t.Errorf("%v, %+v", ids, stats)
	}
}

func TestFind(t *testing.T) {
	if _, err := auditlog.Find([]string{t.TempDir()}); err == nil {
		t.Error("an empty folder is a log")
	}
	if _, err := auditlog.Find([]string{filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("a missing file is a log")
	}
	log := auditlog.Open([]string{filepath.Join(t.TempDir(), "none"), auditlog.Stdin}, auditlog.Options{Stdin: strings.NewReader(event(1))})
	for e := range log.Writes() {
		if e.Position.String() != "<stdin>:1" {
			t.Errorf("%s", e.Position)
		}
	}
	if log.Stats().Writes != 1 || log.Stats().Unread != 1 {
		t.Errorf("%+v", log.Stats())
	}
}

// Whatever a log contains, reading it ends, and every line is an event, something else, or a problem.
func FuzzLog(f *testing.F) {
	for _, text := range []string{
		event(1), "[" + event(1) + "]", `{"events":[{"message":` + quoted(event(1)) + `}]}`, gzipped(event(1)), "2026-11-01T08:00:01Z " + event(1), "{\n}", `{"items":[[`, event(1)[:400],
		`{"properties":{"log":"{\"verb\":1"}}`, zstandard(event(1)),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		log := auditlog.Open([]string{auditlog.Stdin}, auditlog.Options{Stdin: strings.NewReader(text)})
		writes := int64(0)
		for e := range log.Writes() {
			if e.Verb == "" {
				t.Errorf("%+v", e)
			}
			writes++
		}
		stats := log.Stats()
		if writes > stats.Writes || stats.Events != stats.Reads+stats.Writes {
			t.Errorf("%+v", stats)
		}
		if strings.Trim(text, "[]{} \t\r\n,") != "" && stats.Events+stats.Broken+stats.Other+stats.GKE == 0 && len(text) < 200 && !strings.Contains(text, "Permission") && !strings.Contains(text, `":`) && text[0] != 0x1f && text[0] != 0x28 {
			t.Errorf("nothing is counted: %q", text)
		}
	})
}
