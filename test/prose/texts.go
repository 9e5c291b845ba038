package main

import (
	"go/scanner"
	"go/token"
	"regexp"
	"strconv"
	"strings"
)

// Each extractor returns the prose of a file on the lines where the file has it. Comment markers are removed, so that a
// phrase is found across lines.

var (
	codeSpan    = regexp.MustCompile("`[^`\n]*(?:\n[^`\n]+)?`")
	regoString  = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	hashComment = regexp.MustCompile(`(?:^|\s)#+ (.*)$`)
)

// whole is for files that consist of prose entirely, with or without a leading #.
func whole(content string) string {
	return eachLine(content, func(line string) string {
		return strings.TrimLeft(strings.TrimLeft(line, " "), "#")
	})
}

// markdown omits code spans, and code blocks except for their comments.
func markdown(content string) string {
	fenced := false
	prose := eachLine(content, func(line string) string {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			return ""
		}
		if fenced {
			if comment := hashComment.FindStringSubmatch(line); comment != nil {
				return comment[1]
			}
			return ""
		}
		return line
	})
	return codeSpan.ReplaceAllStringFunc(prose, func(span string) string {
		return "`" + strings.Repeat("\n", strings.Count(span, "\n")) + "`"
	})
}

// rego extracts comments, and the strings of other lines.
func rego(content string) string {
	return eachLine(content, func(line string) string {
		if comment, ok := strings.CutPrefix(strings.TrimSpace(line), "#"); ok {
			return comment
		}
		return strings.Join(regoString.FindAllString(line, -1), " | ")
	})
}

// goText extracts comments and strings. The compiler reports files that do not parse.
func goText(content string) string {
	files := token.NewFileSet()
	file := files.AddFile("", files.Base(), len(content))
	var s scanner.Scanner
	s.Init(file, []byte(content), func(token.Position, string) {}, scanner.ScanComments)
	lines := make([]string, strings.Count(content, "\n")+1)
	for {
		at, kind, literal := s.Scan()
		if kind == token.EOF {
			return strings.Join(lines, "\n")
		}
		switch kind {
		case token.COMMENT:
			literal = strings.TrimSuffix(strings.TrimLeft(literal, "/*"), "*/")
		case token.STRING:
			// Line breaks in an interpreted string are written as \n.
			if unquoted, err := strconv.Unquote(literal); err == nil && literal[0] == '"' {
				literal = strings.ReplaceAll(unquoted, "\n", " ")
			}
		default:
			continue
		}
		first := file.Line(at) - 1
		for i, part := range strings.Split(literal, "\n") {
			if first+i < len(lines) {
				lines[first+i] += part + " "
			}
		}
	}
}

func eachLine(content string, change func(string) string) string {
	lines := strings.Split(content, "\n")
	for i := range lines {
		lines[i] = change(lines[i])
	}
	return strings.Join(lines, "\n")
}
