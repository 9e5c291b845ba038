package credentials

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// A line calls a program if one of its words is the name of one, behind any path.
func TestCalledLooksAtEveryWord(t *testing.T) {
	want := func(line string) bool {
		words := strings.FieldsFunc(line, func(c rune) bool { return strings.ContainsRune(" \t;|&()\"'`\r", c) })
		for _, word := range words {
			if byProgram[program(word)] != nil {
				return true
			}
		}
		return strings.Contains(line, "chpasswd") || strings.Contains(line, "kinit") || strings.Contains(line, "config set ")
	}
	for program := range byProgram {
		for _, line := range []string{program, "/usr/bin/" + program, `C:\` + program + ".exe -p x", "x;" + program, "$(" + program + ")", "x " + program + " y", "é/" + program} {
			if !mentionsProgram(line) {
				t.Errorf("%q", line)
			}
		}
	}
	parts := []string{"mysql", "psql", "curl", "sshpass", "x", "/", "\\", " ", "\t", ";", "|", "(", "'", ".exe", "é", "\xff", "kinit", "config set ", "-p", "="}
	random := rand.New(rand.NewPCG(9, 10))
	for range 50_000 {
		var line strings.Builder
		for range random.IntN(8) {
			line.WriteString(parts[random.IntN(len(parts))])
		}
		if got := mentionsProgram(line.String()); got != want(line.String()) {
			t.Fatalf("%q: got %v", line.String(), got)
		}
	}
}
