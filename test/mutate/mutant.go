package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
)

// Mutant is one small change of a source file.
type Mutant struct {
	// File is the path from the module's root, with slashes.
	File string
	// Func is the changed declaration: a function, Type.Method, or the first name of a group of variables.
	Func string
	// Operator is the kind of change.
	Operator string
	Line     int
	// Was and Is are the changed lines, before and after. Is shows the meaning of the change; the compiled code
	// may in addition keep a variable in use.
	Was, Is string

	start, end int
	with       string
	// nth distinguishes identical changes within one function.
	nth int
}

// Apply returns the changed source of the file.
func (m *Mutant) Apply(source []byte) []byte {
	return bytes.Join([][]byte{source[:m.start], []byte(m.with), source[m.end:]}, nil)
}

// Diff returns the change as a diff.
func (m *Mutant) Diff() string {
	var b strings.Builder
	for line := range strings.SplitSeq(m.Was, "\n") {
		fmt.Fprintf(&b, "  - %s\n", line)
	}
	if strings.TrimSpace(m.Is) != "" {
		for line := range strings.SplitSeq(m.Is, "\n") {
			fmt.Fprintf(&b, "  + %s\n", line)
		}
	}
	return b.String()
}

// rank orders the mutants randomly. It depends only on the seed and on the code around the change, so that a
// sample stays mostly the same while other code changes.
func (m *Mutant) rank(seed uint64) uint64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\x00%s\x00%s\x00%s\x00%d", seed, m.File, m.Func, m.change(), m.nth))
	return binary.BigEndian.Uint64(sum[:])
}

// change returns the change without white space, as the list of equivalents has it.
func (m *Mutant) change() string { return squeeze(m.Was) + " => " + squeeze(m.Is) }

func squeeze(code string) string { return strings.Join(strings.Fields(code), " ") }

// show sets the changed lines.
func (m *Mutant) show(source []byte, shown string) {
	from := bytes.LastIndexByte(source[:m.start], '\n') + 1
	to := len(source)
	if at := bytes.IndexByte(source[m.end:], '\n'); at >= 0 {
		to = m.end + at
	}
	m.Line = 1 + bytes.Count(source[:m.start], []byte{'\n'})
	m.Was = string(source[from:to])
	m.Is = string(source[from:m.start]) + shown + string(source[m.end:to])
}
