package yamldoc

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// FuzzDocuments checks that a stream is split without loss, and that every reported line is within its
// document.
func FuzzDocuments(f *testing.F) {
	for _, text := range []string{
		"a: 1\n---\nb: [1, 2]\n", "{\"a\": 1}{\"b\": 2}", "a: &x [1]\nb: *x\n", "a: {<<: {b: 1}}", "? [a]\n: b", "--- |\n x\n...\n",
		"%YAML 1.1\n---\na: !!binary aGk=\n", "a: !!float 1\nb: 0x1F\nc: 1_000\nd: .nan", "a: 'it''s'\nb: \"\\u263a\"", "\ufeff---\n", bomb(5),
		"# c\n---\n...\n---\n{\"a\":1} \n {\"b\":2}\n\n{\"c\"\n", "a: 1\r---\rb: 2", "a: |\n  x\n---\n\n", "a: [\n---\nb: 1\n", "a\n---",
	} {
		f.Add([]byte(text))
	}
	files, err := filepath.Glob("../../test/testdata/chapter/*")
	if err != nil || len(files) == 0 {
		f.Fatal("the chapter's manifests are not there", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		chunks := Split(data)
		checkWhole(t, data, chunks)
		for _, chunk := range chunks {
			first, last := chunk.Line, chunk.Line+breaks(chunk.Data)
			doc, err := Parse(chunk)
			if err != nil {
				if broken := new(Error); !errors.As(err, &broken) || broken.Line < first || broken.Line > last || broken.Reason == "" {
					t.Fatalf("%#v for lines %d to %d: %q", err, first, last, chunk.Data)
				}
				continue
			}
			for _, path := range []string{"", "a", "a.b[0].c", "spec.containers[0].image"} {
				if line := doc.LineOf(path); line < first || line > last {
					t.Fatalf("%q is on line %d of lines %d to %d", path, line, first, last)
				}
			}
			if _, err := json.Marshal(doc.Value); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// checkWhole finds every chunk in the text, in order, on its reported line, with only white space between
// chunks.
func checkWhole(t *testing.T, data []byte, chunks []Chunk) {
	t.Helper()
	at := 0
	for i, chunk := range chunks {
		if chunk.Start < at || len(bytes.TrimSpace(data[at:chunk.Start])) > 0 || !bytes.HasPrefix(data[chunk.Start:], chunk.Data) ||
			1+bytes.Count(data[:chunk.Start], []byte("\n")) != chunk.Line {
			t.Fatalf("chunk %d, line %d, is not where it should be: %q of %q", i, chunk.Line, chunk.Data, data)
		}
		at = chunk.Start + len(chunk.Data)
	}
	if rest := bytes.TrimSpace(data[at:]); len(rest) > 0 {
		t.Fatalf("%q is lost", rest)
	}
}

// breaks counts the line breaks that YAML recognizes.
func breaks(text []byte) (n int) {
	for _, mark := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029"} {
		n += bytes.Count(text, []byte(mark))
	}
	return n - bytes.Count(text, []byte("\r\n"))
}
