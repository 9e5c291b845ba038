package compile

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"github.com/gobwas/glob"

	"taffrail.dev/webhook/rego/sandbox"
)

// regex is a regular expression and what its cost depends on. re is nil if the text is not a valid expression.
type regex struct {
	re *regexp.Regexp
	// size is about how many instructions it has.
	size int
	// longest is the length of the longest match, or negative if there is none.
	longest int
	// plain is true if finding all matches goes through a text only a few times: see isPlain.
	plain bool
}

// perScan is how many bytes of a text, times instructions of a pattern, are as much work as a step.
const perScan = 32

func newRegex(text string) *regex {
	r := parseRegex(text)
	r.compile(text)
	return r
}

// parseRegex returns a regular expression that is not compiled. Its size is that of the text if it is none.
func parseRegex(text string) *regex {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return &regex{size: len(text)}
	}
	return &regex{size: sandbox.PatternSize(parsed), longest: sandbox.LongestMatch(parsed), plain: isPlain(parsed)}
}

func (r *regex) compile(text string) {
	if re, err := regexp.Compile(text); err == nil {
		r.re = re
	}
}

// clip keeps products of sizes from overflowing.
func clip(n int) int { return min(n, 1<<30) }

// isPlain reports whether an expression is a sequence of characters, each repeated greedily or not at all. A search
// for such an expression may look further than its match ends. But it would have found a longer one if any match
// began in what it looked at, so that no part of a text is looked at again and again.
func isPlain(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral, syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL, syntax.OpEmptyMatch,
		syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return true
	case syntax.OpStar, syntax.OpPlus:
		return re.Flags&syntax.NonGreedy == 0 && isCharacter(re.Sub[0])
	case syntax.OpCapture, syntax.OpConcat:
		for _, sub := range re.Sub {
			if !isPlain(sub) {
				return false
			}
		}
		return true
	}
	return false
}

func isCharacter(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune) == 1
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true
	}
	return false
}

// scan is the work of looking for one match.
func (r *regex) scan(bytes int) int { return clip(r.size/8 + r.size*min(bytes, 1<<26)/perScan) }

// patterns remembers patterns that are not constants, so that one that is used again and again is compiled once. What
// is counted for them does not depend on what is remembered.
type patterns struct {
	regexes map[string]*regex
	globs   map[globKey]*glob.Pattern
	// size is that of all of them.
	size int
}

type globKey struct{ pattern, separators string }

// maxPatterns is how large all the remembered patterns of a machine may be, and all those that a program has compiled in
// advance, in instructions. A pattern that is larger than half of it is never kept.
const maxPatterns = 20_000

// regexOf returns a regular expression that is not a constant, or that is too large to be kept.
func (m *Machine) regexOf(text string) *regex {
	m.read(len(text))
	m.countParsing(text)
	if known := m.patterns.regexes[text]; known != nil {
		m.countRegex(known.size)
		return known
	}
	r := parseRegex(text)
	m.countRegex(r.size)
	text = strings.Clone(text) // the machine outlives the body of the request, which text may be a part of
	r.compile(text)
	if m.patterns.keep(r.size + len(text)) {
		if m.patterns.regexes == nil {
			m.patterns.regexes = map[string]*regex{}
		}
		m.patterns.regexes[text] = r
	}
	return r
}

// countRegex counts compiling a regular expression of a size, which takes the more memory for each instruction the
// larger it is.
func (m *Machine) countRegex(size int) {
	m.countPattern(size)
	if size > maxPatterns/20 {
		m.step(size)
	}
	if size > maxPatterns/2 {
		m.alloc(clip(12 * slot * size))
	}
}

// countPattern counts compiling a pattern of a size, although it may be remembered. Only a large one is counted as
// memory, too: all that are remembered together are no larger.
func (m *Machine) countPattern(size int) {
	m.step(1 + size/4)
	if size > maxPatterns/2 {
		m.alloc(clip(4 * slot * size))
	}
}

// keep makes room for a pattern of a size, or returns false if it is too large to be remembered.
func (p *patterns) keep(size int) bool {
	if size > maxPatterns/2 {
		return false
	}
	if p.size += size; p.size > maxPatterns {
		*p = patterns{size: size}
	}
	return true
}

// globOf returns a pattern with asterisks, or nil if the pattern is invalid.
func (m *Machine) globOf(pattern, separators string) *glob.Pattern {
	m.countPattern(8 * len(pattern))
	key := globKey{pattern, separators}
	if known, ok := m.patterns.globs[key]; ok {
		return known
	}
	key = globKey{strings.Clone(pattern), strings.Clone(separators)} // as in regexOf
	compiled, err := glob.Compile(key.pattern, []rune(key.separators)...)
	if err != nil {
		compiled = nil
	}
	if m.patterns.keep(8 * len(pattern)) {
		if m.patterns.globs == nil {
			m.patterns.globs = map[globKey]*glob.Pattern{}
		}
		m.patterns.globs[key] = compiled
	}
	return compiled
}

// separatorsOf returns the characters at which an asterisk of glob.match stops: a dot if the list of them is empty.
func separatorsOf(v any) (separators string, ok bool) {
	if v == null {
		return "", true
	}
	elems, ok := elements(v)
	var text strings.Builder
	for _, element := range elems {
		one, isText := element.(string)
		if !isText || utf8.RuneCountInString(one) != 1 {
			return "", false
		}
		text.WriteString(one)
	}
	if ok && len(elems) == 0 {
		return ".", true
	}
	return text.String(), ok
}
