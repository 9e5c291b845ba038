package sandbox

import (
	"math/bits"
	"regexp/syntax"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

const (
	// perScan is the work of a pattern that counts as one step, as bytes of text times instructions.
	perScan = 128
	// perByte is the number of bytes of a new text that count as one step.
	perByte = 128
	// maxPattern limits the number of instructions that a regular expression compiles to.
	maxPattern = 10_000
)

// A cost returns the steps to charge for a call of a built-in function. They are charged before the call,
// because OPA cannot interrupt it.
type cost func(m *Meter, operands []*ast.Term) int

// costs returns the costs of those allowed built-in functions whose work depends on the size of their operands.
func costs() map[string]cost {
	all := map[string]cost{
		"regex.match": func(m *Meter, operands []*ast.Term) int {
			return m.pattern(operands[0]).scan(textOf(operands[1]))
		},
		"regex.is_valid": func(m *Meter, operands []*ast.Term) int { return m.pattern(operands[0]).scan("") },
		"regex.find_n": func(m *Meter, operands []*ast.Term) int {
			return m.findAll(operands[0], operands[1], intOf(operands[2]))
		},
		"regex.find_all_string_submatch_n": func(m *Meter, operands []*ast.Term) int {
			return m.findAll(operands[0], operands[1], intOf(operands[2]))
		},
		"regex.replace": func(m *Meter, operands []*ast.Term) int { return m.findAll(operands[1], operands[0], -1) },
		"regex.split":   func(m *Meter, operands []*ast.Term) int { return m.findAll(operands[0], operands[1], -1) },
		"glob.match": func(_ *Meter, operands []*ast.Term) int {
			return GlobCost(textOf(operands[0]), textOf(operands[2]), separatorsOf(operands[1]))
		},
		"strings.replace_n": replacerCost,
		"sort": func(m *Meter, operands []*ast.Term) int {
			return deepCost(m, operands) * (1 + bits.Len(uint(lengthOf(operands[0])))/2)
		},
	}
	for _, name := range []string{"array.concat", "array.flatten", "array.reverse", "array.slice", "object.keys"} {
		all[name] = shallowCost
	}
	constant := constantBuiltins()
	for name := range allowedBuiltins() {
		if all[name] == nil && !constant[name] {
			all[name] = deepCost
		}
	}
	return all
}

// constantBuiltins lists the functions that look only at a small part of their operands, or only at their type.
func constantBuiltins() map[string]bool {
	all := map[string]bool{}
	for _, name := range []string{
		"assign", "eq", "count", "object.get", "type_name", "print", "internal.print",
		"is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string",
	} {
		all[name] = true
	}
	return all
}

// deepCost is the cost of functions that may visit every part of their operands.
func deepCost(m *Meter, operands []*ast.Term) int {
	total := 0
	for _, operand := range operands {
		total = plus(total, m.sizeOf(operand))
	}
	return total / perStep
}

// shallowCost is the cost of functions that only pass on the elements of their operands.
func shallowCost(_ *Meter, operands []*ast.Term) int {
	total := 0
	for _, operand := range operands {
		total += shallow(operand)
	}
	return total / perStep
}

// made returns the cost of the memory that a result takes.
func made(result *ast.Term) int {
	if text, ok := result.Value.(ast.String); ok {
		return len(text) / perByte
	}
	return shallow(result)
}

func shallow(term *ast.Term) int {
	if object, ok := term.Value.(ast.Object); ok {
		return object.Len()
	}
	return lengthOf(term)
}

func intOf(term *ast.Term) int {
	if number, ok := term.Value.(ast.Number); ok {
		if n, ok := number.Int(); ok {
			return n
		}
	}
	return -1
}

// pattern holds the properties of a regular expression that affect its cost.
type pattern struct {
	// size is the approximate number of instructions that it compiles to.
	size int
	// longest is the length of the longest possible match, or negative if it is unlimited.
	longest int
}

// pattern analyzes a regular expression without compiling it.
func (m *Meter) pattern(term *ast.Term) pattern {
	text := textOf(term)
	if known, ok := m.patterns[text]; ok {
		return known
	}
	p := pattern{size: len(text)}
	if re, err := syntax.Parse(text, syntax.Perl); err == nil {
		p = pattern{size: PatternSize(re), longest: LongestMatch(re)}
	}
	if m.patterns == nil {
		m.patterns = map[string]pattern{}
	}
	m.patterns[text] = p
	m.charge(len(text) / perStep)
	return p
}

// scan returns the cost of searching for one match.
func (p pattern) scan(text string) int { return p.scans(len(text)) }

func (p pattern) scans(bytes int) int {
	return plus(p.size/8, times(p.size, bytes)/perScan)
}

// findAll charges for up to most matches, or for all if most is negative. If matches have no maximum length,
// each search may read the whole rest of the text.
func (m *Meter) findAll(re, text *ast.Term, most int) int {
	p, in := m.pattern(re), textOf(text)
	if most < 0 || most > len(in)+1 {
		most = len(in) + 1
	}
	if p.longest >= 0 {
		return p.scans(plus(len(in), times(most, min(p.longest, len(in)))))
	}
	compiled := compiled(textOf(re), p)
	if compiled == nil {
		return p.size
	}
	for matches := 1; ; matches = min(2*matches, most) {
		m.charge(times(matches, p.scan(in)))
		if m.ended() || matches >= most || len(compiled.FindAllStringIndex(in, matches)) < matches {
			return 0
		}
	}
}

func times(a, b int) int {
	if a > 0 && b > (1<<31)/a {
		return 1 << 31
	}
	return a * b
}

// separatorsOf returns the characters at which an asterisk stops, or "" if there are none. An empty list stands
// for a dot.
func separatorsOf(operand *ast.Term) string {
	list, ok := operand.Value.(*ast.Array)
	if !ok {
		return ""
	}
	separators := ""
	list.Foreach(func(one *ast.Term) { separators += textOf(one) })
	if separators == "" {
		return "."
	}
	return separators
}

// GlobCost returns an upper bound. Alternatives are tried one after another, each with everything that follows.
// An asterisk that stops at separators is tried at every length, each with every length of the asterisks that
// follow; without separators it takes the shortest match.
func GlobCost(pattern, text, separators string) int {
	ways := 1
	for rest := pattern; ; {
		at := strings.IndexByte(rest, '{')
		if at < 0 {
			break
		}
		rest = rest[at+1:]
		inside, _, _ := strings.Cut(rest, "}")
		ways = plus(0, times(ways, 1+strings.Count(inside, ",")))
	}
	total := plus(len(pattern), times(len(pattern), len(text)))
	if strings.Count(pattern, "*") > 1 {
		total = plus(total, times(len(text), len(text))/perScan)
	}
	total /= perScan
	if separators != "" {
		total = plus(total, placements(pattern, text, separators)/2)
	}
	return plus(1, times(total, ways))
}

// placements returns approximately how many ways there are to place the asterisks of a pattern in a text. An
// asterisk cannot cross a separator, so each part of a pattern between separators is placed within one part of
// the text. Two asterisks in a row, and separators in brackets or braces, break that rule: such a pattern is
// placed in the text as a whole.
func placements(pattern, text, separators string) int {
	if strings.Contains(pattern, "**") || strings.Contains(pattern, "[") || inBraces(pattern, separators) {
		return placed(strings.ReplaceAll(pattern, "**", "*"), len(text))
	}
	isSeparator := func(r rune) bool { return strings.ContainsRune(separators, r) }
	longest := 0
	for part := range strings.FieldsFuncSeq(text, isSeparator) {
		longest = max(longest, len(part))
	}
	total := 1
	for at := strings.IndexFunc(pattern, isSeparator); at >= 0; at = strings.IndexFunc(pattern, isSeparator) {
		total = times(total, placed(pattern[:at+1], longest))
		pattern = pattern[at+1:]
	}
	return times(total, placed(pattern, longest))
}

func inBraces(pattern, separators string) bool {
	for rest := pattern; ; {
		_, after, found := strings.Cut(rest, "{")
		if !found {
			return false
		}
		inside, following, _ := strings.Cut(after, "}")
		if strings.ContainsAny(inside, separators) {
			return true
		}
		rest = following
	}
}

// placed returns approximately how many ways there are to place asterisks in a text of the given length. A
// literal at the end fixes the last asterisk.
func placed(pattern string, length int) int {
	asterisks := strings.Count(pattern, "*")
	if !strings.ContainsAny(pattern, "{[?") && !strings.HasSuffix(pattern, "*") {
		asterisks--
	}
	total := 1
	for i := range asterisks {
		total = times(total, length) / (i + 1)
	}
	return max(1, total)
}

// replacerCost assumes a trie, in which each position of the text may be followed for the length of the longest
// key.
func replacerCost(m *Meter, operands []*ast.Term) int {
	longest := 1
	if patterns, ok := operands[0].Value.(ast.Object); ok {
		patterns.Foreach(func(before, _ *ast.Term) { longest = max(longest, len(textOf(before))) })
	}
	return plus(deepCost(m, operands), times(longest, len(textOf(operands[1])))/perScan)
}
