// Package ignore reads patterns of files to leave out, as Git does.
package ignore

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Pattern is one line of a .gitignore file.
type Pattern struct {
	// base is the folder that the pattern is written in, as an absolute path with slashes.
	base     string
	matches  *regexp.Regexp
	negated  bool
	onlyDirs bool
}

// Patterns are in the order in which they are written: of those that match, the last counts.
type Patterns []Pattern

// SyntaxError is a pattern that cannot be read.
type SyntaxError struct {
	// Line counts from 1.
	Line    int
	Pattern string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%q in line %d is not a pattern: a [ has no ]", e.Pattern, e.Line)
}

// Parse reads the lines of a file in the folder base, an absolute path with slashes.
//
// The syntax is that of gitignore(5): "*" and "?" stand for anything but a slash, "**"
// for any number of folders, and [a-z] for one character. A pattern with a slash that is
// not at its end is relative to base, any other matches at every depth. A slash at the
// end matches folders only. "!" takes a match back, "#" starts a comment and "\" takes
// the meaning off the character after it. The error is a *SyntaxError.
func Parse(text, base string) (Patterns, error) {
	var patterns Patterns
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = trimmed(strings.TrimRight(line, "\r\n"))
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		pattern, ok := compile(line)
		if !ok {
			return nil, &SyntaxError{number, line}
		}
		pattern.base = base
		patterns = append(patterns, pattern)
	}
	return patterns, nil
}

// Match reports whether a file or folder is left out. Its path is absolute, with slashes.
// What is in a folder that is left out has to be left out by the caller.
func (p Patterns) Match(name string, isDir bool) bool {
	for i := len(p) - 1; i >= 0; i-- {
		pattern := &p[i]
		inside, ok := strings.CutPrefix(name, strings.TrimSuffix(pattern.base, "/")+"/")
		if ok && (isDir || !pattern.onlyDirs) && pattern.matches.MatchString(inside) {
			return !pattern.negated
		}
	}
	return false
}

// trimmed drops blanks at the end, except for one after a backslash.
func trimmed(line string) string {
	text := strings.TrimRight(line, " \t")
	if strings.HasSuffix(text, `\`) && len(text) < len(line) {
		return line[:len(text)+1]
	}
	return text
}

func compile(line string) (Pattern, bool) {
	var p Pattern
	line, p.negated = strings.CutPrefix(line, "!")
	line, p.onlyDirs = strings.CutSuffix(line, "/")
	anchored := strings.Contains(line, "/")
	// Git knows no "./", but it is what a shell completes.
	line = strings.TrimPrefix(strings.TrimPrefix(line, "./"), "/")
	var b strings.Builder
	b.WriteString(`(?s)^`)
	if !anchored {
		b.WriteString(`(?:.*/)?`)
	}
	if !translate(&b, line) {
		return p, false
	}
	b.WriteString(`$`)
	var err error
	p.matches, err = regexp.Compile(b.String())
	return p, err == nil && path.Clean(line) != "."
}

// translate writes a pattern as a regular expression. It returns false for a [ without ].
func translate(b *strings.Builder, rest string) bool {
	for start := true; rest != ""; start = false {
		switch {
		case start && strings.HasPrefix(rest, "**/"), strings.HasPrefix(rest, "/**/"):
			b.WriteString(rest[:strings.IndexByte(rest, '*')] + `(?:.*/)?`)
			rest = rest[strings.IndexByte(rest, '*')+3:]
		case rest == "/**":
			b.WriteString(`/.+`)
			rest = ""
		case rest[0] == '*':
			b.WriteString(`[^/]*`)
			rest = strings.TrimLeft(rest, "*")
		case rest[0] == '?':
			b.WriteString(`[^/]`)
			rest = rest[1:]
		case rest[0] == '[':
			end := strings.IndexByte(rest[min(2, len(rest)):], ']') + 2
			if end < 2 {
				return false
			}
			b.WriteString(class(rest[1:end]))
			rest = rest[end+1:]
		default:
			if rest[0] == '\\' && len(rest) > 1 {
				rest = rest[1:]
			}
			_, size := utf8.DecodeRuneInString(rest)
			b.WriteString(regexp.QuoteMeta(rest[:size]))
			rest = rest[size:]
		}
	}
	return true
}

// class is what stands in brackets, as a class of a regular expression without the slash.
func class(text string) string {
	text, negated := strings.CutPrefix(text, "!")
	if !negated {
		text, negated = strings.CutPrefix(text, "^")
	}
	text = strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `^`, `\^`, `&`, `\&`, `~`, `\~`).Replace(text)
	if negated {
		return `[^/` + text + `]`
	}
	return `[` + text + `]`
}
