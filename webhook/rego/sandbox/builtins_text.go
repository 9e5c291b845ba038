package sandbox

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

func tooLong(bytes int) string {
	return fmt.Sprintf("a string of %d bytes, but only %d are allowed", bytes, maxText)
}

func tooMany(elements int) string {
	return fmt.Sprintf("a list of %d elements, but only %d are allowed", elements, maxElements)
}

func textOf(term *ast.Term) string {
	text, _ := term.Value.(ast.String)
	return string(text)
}

func limitTexts(operands []*ast.Term) string {
	for _, operand := range operands {
		if text := textOf(operand); len(text) > maxText {
			return tooLong(len(text))
		}
	}
	return ""
}

func limitConcat(operands []*ast.Term) string {
	total := 0
	each(operands[1], func(element *ast.Term) { total += len(textOf(element)) + len(textOf(operands[0])) })
	if total > maxText {
		return tooLong(total)
	}
	return ""
}

func limitSplit(operands []*ast.Term) string {
	if parts := strings.Count(textOf(operands[0]), textOf(operands[1])); parts > maxElements {
		return tooMany(parts)
	}
	return limitTexts(operands)
}

func limitReplace(operands []*ast.Term) string {
	text, before, after := textOf(operands[0]), textOf(operands[1]), textOf(operands[2])
	if total := len(text) + strings.Count(text, before)*(len(after)-len(before)); total > maxText {
		return tooLong(total)
	}
	return limitTexts(operands)
}

func limitReplaceN(operands []*ast.Term) string {
	patterns, ok := operands[0].Value.(ast.Object)
	if !ok {
		return ""
	}
	var pairs []string
	patterns.Foreach(func(before, after *ast.Term) { pairs = append(pairs, textOf(before), textOf(after)) })
	// The size of the result cannot be predicted, so the result is written to a counter and discarded.
	counter := &countingWriter{}
	_, err := strings.NewReplacer(pairs...).WriteString(counter, textOf(operands[1]))
	if err != nil {
		return tooLong(counter.bytes)
	}
	return ""
}

var errFull = errors.New("full")

// countingWriter counts what is written to it, and fails beyond its limit to stop the writer.
type countingWriter struct{ bytes int }

func (w *countingWriter) Write(text []byte) (int, error) { return w.count(len(text)) }

// WriteString avoids a copy of the text.
func (w *countingWriter) WriteString(text string) (int, error) { return w.count(len(text)) }

func (w *countingWriter) count(n int) (int, error) {
	if w.bytes += n; w.bytes > maxText {
		return 0, errFull
	}
	return n, nil
}

var _ io.StringWriter = (*countingWriter)(nil)

// limitFormat checks widths, which pad, and indices, which may repeat an argument.
func limitFormat(operands []*ast.Term) string {
	format := textOf(operands[0])
	verbs, widest, reason := readFormat(format)
	if reason != "" {
		return reason
	}
	sum, largest := 0, 0
	each(operands[1], func(argument *ast.Term) {
		size := Rendered(argument)
		sum, largest = plus(sum, size), max(largest, size)
	})
	if strings.Contains(format, "[") {
		sum = min(verbs, maxText) * largest
	}
	if total := len(format) + verbs*widest + sum; total > maxText {
		return tooLong(total)
	}
	return ""
}

func readFormat(format string) (verbs, widest int, reason string) {
	inVerb, number := false, 0
	for i := range len(format) {
		switch c := format[i]; {
		case c == '%':
			if inVerb = !inVerb; inVerb {
				verbs++
			}
			number = 0
		case !inVerb:
		case c == '*':
			return 0, 0, "a width or precision that is an argument"
		case c >= '0' && c <= '9':
			number = min(number*10+int(c-'0'), 1<<20)
			if widest = max(widest, number); widest > maxWidth {
				return 0, 0, fmt.Sprintf("a width, precision or index above %d", maxWidth)
			}
		case strings.IndexByte("+-# .[]", c) >= 0:
			number = 0
		default:
			inVerb = false
		}
	}
	return verbs, widest, ""
}

// compiled returns nil if the text is not a regular expression or is too large a one.
func compiled(text string, p pattern) *regexp.Regexp {
	if p.size > maxPattern {
		return nil
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil // the built-in function reports the error itself
	}
	return re
}

// readPattern is (*Meter).pattern without a cache.
func readPattern(term *ast.Term) pattern { return new(Meter).pattern(term) }

func limitPattern(operands []*ast.Term) string { return tooLargePattern(operands[0]) }

func tooLargePattern(term *ast.Term) string {
	if p := readPattern(term); p.size > maxPattern {
		return fmt.Sprintf("a pattern of %d instructions, but only %d are allowed", p.size, maxPattern)
	}
	return ""
}

func limitMatches(operands []*ast.Term) string {
	most := -1
	if n, ok := operands[2].Value.(ast.Number); ok {
		if count, ok := n.Int(); ok {
			most = count
		}
	}
	return countMatches(operands[0], textOf(operands[1]), most)
}

func limitRegexSplit(operands []*ast.Term) string {
	return countMatches(operands[0], textOf(operands[1]), -1)
}

// countMatches returns a reason if there are too many matches, with their groups. It searches only if the text
// is long enough for that.
func countMatches(pattern *ast.Term, text string, most int) string {
	if reason := tooLargePattern(pattern); reason != "" {
		return reason
	}
	if len(text) > maxText {
		return tooLong(len(text))
	}
	if most < 0 || most > len(text)+1 {
		most = len(text) + 1
	}
	groups := 1 + strings.Count(textOf(pattern), "(")
	if most*groups <= maxElements {
		return ""
	}
	if re := compiled(textOf(pattern), readPattern(pattern)); re != nil {
		if found := re.FindAllStringIndex(text, min(most, maxElements+1)); len(found)*groups > maxElements {
			return tooMany(len(found) * groups)
		}
	}
	return ""
}

// limitRegexReplace takes text, pattern and replacement. Each $ in the replacement may insert the whole match.
func limitRegexReplace(operands []*ast.Term) string {
	if reason := tooLargePattern(operands[1]); reason != "" {
		return reason
	}
	text, after := textOf(operands[0]), textOf(operands[2])
	groups := strings.Count(after, "$")
	if len(text)+(len(text)+1)*len(after)+groups*len(text) <= maxText {
		return ""
	}
	re := compiled(textOf(operands[1]), readPattern(operands[1]))
	if re == nil {
		return ""
	}
	total, found := len(text), re.FindAllStringIndex(text, maxElements+1)
	if len(found) > maxElements {
		return fmt.Sprintf("a string with more than %d matches", maxElements)
	}
	for _, match := range found {
		total = plus(total, len(after)+groups*(match[1]-match[0]))
	}
	if total > maxText {
		return tooLong(total)
	}
	return ""
}

// limitParsed limits the number of values in a text, because parsed values take much more memory than the text.
func limitParsed(operands []*ast.Term) string {
	text := textOf(operands[0])
	if len(text) > maxText {
		return tooLong(len(text))
	}
	values := 0
	for i := range len(text) {
		switch text[i] {
		case ',', ':', '[', '{', '*', '-':
			values++
		}
	}
	if values > 2*maxElements {
		return fmt.Sprintf("a string of %d values or more, but only %d are allowed", values/2, maxElements)
	}
	return ""
}

// tooBigNumber rejects numbers that are short to write but expensive to compute with.
func tooBigNumber(text string) string {
	if len(text) > maxDigits {
		return fmt.Sprintf("a number of %d digits, but only %d are allowed", len(text), maxDigits)
	}
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		if exponent, err := strconv.Atoi(text[at+1:]); err != nil || exponent > maxExponent || exponent < -maxExponent {
			return fmt.Sprintf("a number with an exponent above %d", maxExponent)
		}
	}
	return ""
}

func number(term *ast.Term) string {
	switch value := term.Value.(type) {
	case ast.Number:
		return tooBigNumber(string(value))
	case ast.String:
		if len(value) > maxText {
			return tooLong(len(value))
		}
	}
	return ""
}

func limitNumbers(operands []*ast.Term) string {
	for i, operand := range operands {
		reason := number(operand)
		if text, ok := operand.Value.(ast.String); ok && i == 0 && reason == "" && len(operands) <= 2 {
			reason = tooBigText(string(text))
		}
		if reason != "" {
			return reason
		}
	}
	return ""
}

// tooBigText applies tooBigNumber to the text of a number, as to_number takes it.
func tooBigText(text string) string {
	if _, err := strconv.ParseFloat(text, 64); err != nil && !errors.Is(err, strconv.ErrRange) {
		return "" // not a number
	}
	return tooBigNumber(text)
}
