package diff_test

import (
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

// FuzzUnified applies the diff and wants the text that it is to lead to.
func FuzzUnified(f *testing.F) {
	f.Add("a\nb\nc\n", "a\nc\nd\n")
	f.Add(numbers(1, 30), numbers(3, 12)+"x\n"+numbers(14, 40))
	f.Add("", "a")
	f.Add(numbers(1, 900), numbers(600, 1500))
	f.Add("a\n\nb", "\nb\n")
	f.Add("b\na\nb\na\n", "a\nb\na\nb")
	f.Add("\\ No newline\r\n", "@@ -1 +1 @@\n")
	f.Fuzz(func(t *testing.T, before, after string) {
		text := diff.Unified("f", before, after)
		if (text == "") != (before == after) {
			t.Fatalf("%q", text)
		}
		if text == "" {
			return
		}
		if got := apply(t, before, text); got != after {
			t.Errorf("%q, want %q by\n%s", got, after, text)
		}
	})
}

// apply reads a unified diff as patch does: each hunk begins at the line that its head
// names, what it keeps and removes must be there, and there are as many lines as it says.
func apply(t *testing.T, before, text string) string {
	t.Helper()
	old := strings.SplitAfter(before, "\n")
	lines := strings.SplitAfter(text, "\n")[2:] // behind the names of the files
	var after strings.Builder
	at := 0
	for len(lines) > 1 {
		fields := strings.Fields(lines[0])
		from, removed := span(t, fields[1])
		_, added := span(t, fields[2])
		if removed > 0 {
			from-- // lines count from 1, but a hunk of none begins behind one
		}
		if at > from {
			t.Fatalf("a hunk begins at line %d, behind line %d:\n%s", from, at, text)
		}
		after.WriteString(strings.Join(old[at:from], ""))
		at, lines = from, lines[1:]
		for removed > 0 || added > 0 {
			sign, content := lines[0][0], lines[0][1:]
			lines = lines[1:]
			if lines[0] == "\\ No newline at end of file\n" {
				content, lines = strings.TrimSuffix(content, "\n"), lines[1:]
			}
			if sign != '+' {
				if old[at] != content {
					t.Fatalf("line %d is %q, not %q:\n%s", at+1, old[at], content, text)
				}
				at, removed = at+1, removed-1
			}
			if sign != '-' {
				after.WriteString(content)
				added--
			}
		}
	}
	return after.String() + strings.Join(old[at:], "")
}

// span reads -7,3 as line 7 and three lines, and -7 as that line.
func span(t *testing.T, text string) (line, count int) {
	t.Helper()
	first, second, ok := strings.Cut(text[1:], ",")
	if !ok {
		second = "1"
	}
	line, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	if count, err = strconv.Atoi(second); err != nil {
		t.Fatal(err)
	}
	return line, count
}
