package diff_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taffrail.dev/cmd/taffrail/diff"
)

func numbers(from, to int) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		b.WriteString(strconv.Itoa(i) + "\n")
	}
	return b.String()
}

func TestUnified(t *testing.T) {
	tests := []struct{ name, before, after, want string }{
		{"equal", "a\n", "a\n", ""},
		{"added", "a\nb\n", "a\nx\nb\n", "--- f\n+++ f\n@@ -1,2 +1,3 @@\n a\n+x\n b\n"},
		{"removed", "a\nx\n", "a\n", "--- f\n+++ f\n@@ -1,2 +1 @@\n a\n-x\n"},
		{"to nothing", "a\n", "", "--- f\n+++ f\n@@ -1 +0,0 @@\n-a\n"},
		{"from nothing", "", "a\nb\n", "--- f\n+++ f\n@@ -0,0 +1,2 @@\n+a\n+b\n"},
		{"no line end", "a\nb", "a\nc", "--- f\n+++ f\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n"},
		{"context", numbers(1, 20), strings.Replace(numbers(1, 20), "10\n", "ten\n", 1),
			"--- f\n+++ f\n@@ -7,7 +7,7 @@\n 7\n 8\n 9\n-10\n+ten\n 11\n 12\n 13\n"},
		{"two hunks", numbers(1, 20), "0\n" + strings.Replace(numbers(1, 20), "15\n", "", 1),
			"--- f\n+++ f\n@@ -1,3 +1,4 @@\n+0\n 1\n 2\n 3\n@@ -12,7 +13,6 @@\n 12\n 13\n 14\n-15\n 16\n 17\n 18\n"},
		{"changes that share their context", numbers(1, 9), "0\n" + numbers(1, 6) + "x\n" + numbers(7, 9),
			"--- f\n+++ f\n@@ -1,9 +1,11 @@\n+0\n 1\n 2\n 3\n 4\n 5\n 6\n+x\n 7\n 8\n 9\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, diff.Unified("f", test.before, test.after)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// However much differs, the diff is made of what does.
func TestUnifiedOfLargeTexts(t *testing.T) {
	all := diff.Unified("f", numbers(1, 3000), numbers(3001, 6000))
	if strings.Count(all, "\n-") != 3000 || strings.Count(all, "\n+") != 3001 {
		t.Error("of two texts that have nothing in common, lines are missing")
	}
	var before, after strings.Builder
	for i := range 5000 {
		before.WriteString("same " + strconv.Itoa(i%7) + "\nsame\nsame\n")
		after.WriteString("same " + strconv.Itoa(i%7) + "\nsame\nnew\nsame\n")
	}
	if many := diff.Unified("f", before.String(), after.String()); strings.Count(many, "\n-") != 0 || strings.Count(many, "\n+new") != 5000 {
		t.Errorf("%d lines are removed, %d added", strings.Count(many, "\n-"), strings.Count(many, "\n+new"))
	}
}

// FuzzUnified applies the diff with patch, where there is one.
func FuzzUnified(f *testing.F) {
	patch, err := exec.LookPath("patch")
	if err != nil {
		f.Skip("there is no patch here")
	}
	f.Add("a\nb\nc\n", "a\nc\nd\n")
	f.Add(numbers(1, 30), numbers(3, 12)+"x\n"+numbers(14, 40))
	f.Add("", "a")
	f.Add(numbers(1, 900), numbers(600, 1500))
	f.Add("a\n\nb", "\nb\n")
	f.Add("b\na\nb\na\n", "a\nb\na\nb")
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.ContainsAny(before+after, "\x00\r\\") {
			return // patch has its own view of those
		}
		text := diff.Unified("f", before, after)
		if (text == "") != (before == after) {
			t.Fatalf("%q", text)
		}
		if text == "" {
			return
		}
		file := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		command := exec.CommandContext(t.Context(), patch, "-s", "--posix", file)
		command.Stdin = strings.NewReader(text)
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s\n%s", err, output, text)
		}
		got, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			got, err = nil, nil // patch removes what has become empty
		}
		if err != nil || string(got) != after {
			t.Errorf("%q, %v, want %q by\n%s", got, err, after, text)
		}
	})
}
