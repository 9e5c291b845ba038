package yamldoc

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
)

// syntaxError converts an error of the parser. It keeps only the line and messages that are fixed
// in the parser's source: anything else may be a part of the document.
func syntaxError(err error, chunk Chunk) *Error {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line := contentLine(chunk)
	if place := regexp.MustCompile(`^line (\d+): `).FindStringSubmatch(message); place != nil {
		message = message[len(place[0]):]
		if n, err := strconv.Atoi(place[1]); err == nil {
			line = chunk.Line - 1 + n
		}
	}
	reason := "is not valid YAML"
	if tab := tabLine(chunk, line); tab > 0 && (strings.Contains(message, "cannot start any token") || strings.Contains(message, "tab character")) {
		return &Error{Line: tab, Reason: "is not valid YAML: the line is indented with a tab, and YAML takes spaces only"}
	}
	switch {
	case strings.HasPrefix(message, "unknown anchor "):
		reason += ": an alias (*name) has no anchor (&name) above it"
	case safeMessages().MatchString(message):
		reason += ": " + message
	}
	return &Error{Line: line, Reason: withHint(reason, chunk)}
}

// tabLine returns the first line near the reported one that is indented with a tab, or 0. The
// parser often reports the line before or after.
func tabLine(chunk Chunk, near int) int {
	line := chunk.Line
	for text := range bytes.Lines(chunk.Data) {
		indent := text[:len(text)-len(bytes.TrimLeft(text, " \t"))]
		if line >= near-1 && line <= near+1 && bytes.IndexByte(indent, '\t') >= 0 && len(bytes.TrimSpace(text)) > 0 {
			return line
		}
		line++
	}
	return 0
}

// safeMessages matches the errors of yaml/v3's scanner, parser and reader that contain no value.
func safeMessages() *regexp.Regexp {
	return regexp.MustCompile(`^(did not find (the )?expected |could not find expected |found (a |an )?(tab |character |duplicate |` +
		`extremely |incompatible |incorrect |indentation |invalid |undefined |unexpected |unknown )|block sequence entries |` +
		`mapping (keys|values) are |control characters are |incomplete UTF-|invalid (leading|trailing|length|Unicode)|exceeded max depth )` +
		`[A-Za-z0-9 '<>:,\]\}\-!\.%]*$`)
}

// withHint adds the most common cause of YAML that does not parse.
func withHint(reason string, chunk Chunk) string {
	if bytes.Contains(chunk.Data, []byte("{{")) {
		return reason + ` ("{{" looks like a template: render it first, as in helm template … | taffrail check -)`
	}
	return reason
}

// contentLine returns the first line of a chunk with content, for parser errors without a line.
func contentLine(chunk Chunk) int {
	line := chunk.Line
	for text := range bytes.Lines(chunk.Data) {
		if !isPreamble(text) && !isMarker(text, "---") {
			return line
		}
		line++
	}
	return chunk.Line
}
