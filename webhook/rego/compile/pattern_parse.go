package compile

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A short text can take very long to parse and much memory: \pL stands for some thousand characters, and where case is
// ignored the parser goes through a range of characters one by one. What follows estimates that by the text alone.
const (
	// perCharacter is the most that the syntax tree has for each character.
	perCharacter = 12 * slot
	// perClass is more than the parser needs for a class of Unicode.
	perClass = 16 << 10
	// perFolded is more than it needs for a range of characters whose case is ignored.
	perFolded = 128 << 10
	// lastFolded is more than the last character that has another case.
	lastFolded = 0x1F000
	// largeParse is what is counted as memory. Less is not, because a pattern that is remembered is parsed once.
	largeParse = 64 << 10
)

// parsing returns at least what parsing a regular expression takes.
func parsing(text string) Usage {
	classes := strings.Count(text, `\p`) + strings.Count(text, `\P`)
	parse := Usage{Bytes: int64(perCharacter*len(text) + perClass*classes)}
	if !ignoresCase(text) {
		return parse
	}
	for rest := text; ; {
		_, after, found := strings.Cut(rest, "-")
		if !found {
			return parse
		}
		last := rangeEnd(after)
		parse.Steps += int64(2 * max(0, last-'A'))
		if last > unicode.MaxASCII {
			parse.Bytes += perFolded
		}
		rest = after
	}
}

// ignoresCase reports whether a flag of a regular expression may be i, as in (?i) and (?s-i:x).
func ignoresCase(text string) bool {
	for rest := text; ; {
		_, after, found := strings.Cut(rest, "(?")
		if !found {
			return false
		}
		flags := strings.IndexFunc(after, func(r rune) bool { return !strings.ContainsRune("imsU-", r) })
		if flags < 0 {
			flags = len(after)
		}
		if strings.Contains(after[:flags], "i") {
			return true
		}
		rest = after
	}
}

// rangeEnd returns the last character of a range, or one behind it: what follows the hyphen is a character or an escape.
func rangeEnd(after string) rune {
	last, _ := utf8.DecodeRuneInString(after)
	if last == '\\' {
		last = lastFolded
		if code, ok := strings.CutPrefix(after, `\x`); ok && len(code) >= 2 {
			if n, err := strconv.ParseUint(code[:2], 16, 8); err == nil {
				last = rune(n)
			}
		}
	}
	return min(last, lastFolded)
}

// countParsing counts parsing a regular expression, although it may be remembered: see countPattern.
func (m *meter) countParsing(text string) {
	parse := parsing(text)
	m.step(clip(int(parse.Steps + parse.Bytes/(8*perStep))))
	if parse.Bytes > largeParse {
		m.alloc(clip(int(parse.Bytes)))
	}
}
