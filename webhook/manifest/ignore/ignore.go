// Package ignore implements the patterns of gitignore(5).
package ignore

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Pattern is one line of an ignore file.
type Pattern struct {
	// base is the folder that contains the ignore file, as an absolute path with slashes.
	base     string
	matches  *regexp.Regexp
	negated  bool
	onlyDirs bool
}

// Patterns are in the order in which they are written. The last one that matches decides.
type Patterns []Pattern

// SyntaxError is returned for an invalid pattern.
type SyntaxError struct {
	// Line starts at 1.
	Line    int
	Pattern string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%q in line %d is not a pattern: a [ has no ]", e.Pattern, e.Line)
}

// Parse parses the lines of a file in the folder base, an absolute path with slashes.
//
// The syntax is that of gitignore(5): "*" and "?" match anything but a slash, "**" matches any
// number of folders, and [a-z] one character. A pattern with a slash other than at its end is
// relative to base; any other pattern matches at every depth. A slash at the end restricts the
// pattern to folders. "!" negates a pattern, "#" starts a comment and a backslash escapes the
// next character. The error is a *SyntaxError.
func Parse(text, base string) (Patterns, error) {
	var patterns Patterns
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = trimTrailingSpace(strings.TrimRight(line, "\r\n"))
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

// Match reports whether a file or folder is excluded. Its path is absolute, with slashes. The
// caller has to exclude the content of an excluded folder.
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

// trimTrailingSpace removes spaces and tabs at the end, but keeps one after a backslash.
func trimTrailingSpace(line string) string {
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
	// Git does not accept "./", but shells complete paths that way.
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

// class converts the content of brackets to a character class that does not match a slash.
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
