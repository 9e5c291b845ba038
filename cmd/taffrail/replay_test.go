package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A log of which only a part can be read is no clean result, whatever that part contains.
func TestReplayOfHalfALog(t *testing.T) {
	var all bytes.Buffer
	w := gzip.NewWriter(&all)
	source := rand.New(rand.NewPCG(1, 1))
	for n := range 200 {
		// What is random cannot be compressed, so that half of the file has some events.
		fmt.Fprintf(w, `{"kind":"Event","level":"Metadata","auditID":"%x-%x","stage":"ResponseComplete","verb":"create","user":{"username":"alice"},"objectRef":{"resource":"events","namespace":"shop","name":"%x"},"responseStatus":{"code":201},"stageTimestamp":"2026-11-01T08:%02d:%02dZ"}`+"\n", source.Uint64(), source.Uint64(), source.Uint64(), n/60, n%60) //nolint:errcheck // a buffer takes everything
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for half, want := range map[bool]int{false: exitClean, true: exitError} {
		content := all.Bytes()
		if half {
			content = content[:len(content)/2]
		}
		file := filepath.Join(t.TempDir(), "audit.log.gz")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"replay", file}, {"replay", "--coverage", file}} {
			var out, errs bytes.Buffer
			if code := run(t.Context(), programOf("taffrail"), args, streams{in: strings.NewReader(""), out: &out, err: &errs}); code != want {
				t.Errorf("%v: %d, want %d: %s", args, code, want, errs.String())
			}
			if half != strings.Contains(errs.String(), "ends early or is damaged") || half != strings.Contains(out.String(), "1 file is damaged or not complete") {
				t.Errorf("%v: %s%s", args, out.String(), errs.String())
			}
		}
	}
}
