package decision

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of the messages. Anybody can write objects, and a single image reference may be as
// large as an object, so nothing is quoted in full.
const (
	// MaxFindings is the maximum number of findings that a denial lists. The others are
	// counted.
	MaxFindings = 20
	// MaxWarnings is the maximum number of warnings. The others are counted. The API server
	// truncates the warnings of a request once they exceed 4096 characters in total.
	MaxWarnings = 20
	// MaxWarning is the maximum length of a warning in characters.
	MaxWarning = 120
	// maxAnnotation is the maximum length of an audit annotation's value.
	maxAnnotation = 1000
	// maxLine is the maximum length of each text in a denial.
	maxLine = 400
)

// Subject returns the name of an object in messages: its kind, followed by namespace/name, or
// by the name if the object is cluster-scoped.
func Subject(kind, namespace, name string) string {
	if name == "" {
		name = "(no name yet)"
	}
	if namespace != "" {
		name = namespace + "/" + name
	}
	return Line(kind+" "+name, maxLine)
}

// Subject returns the name of the request's object in messages.
func (r *Request) Subject() string {
	kind := r.Kind.Kind
	if r.Subresource != "" {
		kind += "/" + r.Subresource
	}
	return Subject(kind, r.Namespace.Name, r.DisplayName())
}

// Denial returns the message for the writer of a refused object, or "" if no finding denies. It
// does not end in a line break, and does not quote the value of a fix.
func (d *Decision) Denial(subject string) string {
	denying := d.denying()
	if len(denying) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s is denied by %s:", subject, Count(len(policiesOf(denying)), "policy", "policies"))
	shown := min(len(denying), MaxFindings)
	for i, f := range denying[:shown] {
		b.WriteString("\n- ")
		b.WriteString(f.finding())
		// What all findings of a policy share is printed once, after the last.
		if i+1 == shown || !f.sharesAdvice(denying[i+1]) {
			b.WriteString(f.advice())
		}
	}
	if rest := denying[shown:]; len(rest) > 0 {
		fmt.Fprintf(&b, "\n- and %s of %s", Count(len(rest), "more finding", "more findings"),
			Line(strings.Join(policiesOf(rest), ", "), maxLine))
	}
	return b.String()
}

func (d *Decision) denying() (findings []*Finding) {
	for i := range d.Findings {
		if d.Findings[i].Denies() {
			findings = append(findings, &d.Findings[i])
		}
	}
	return findings
}

// Text returns the message of one finding: a headline, then the field, what to write and the
// Guardrails, each on an indented line if it is not empty.
func (f *Finding) Text() string { return f.finding() + f.advice() }

// finding returns the part of the message that is specific to the finding.
func (f *Finding) finding() string { return f.Headline() + detail("field:  ", f.Path) }

// advice returns the part of the message that the policy's findings may share.
func (f *Finding) advice() string {
	text := detail("fix:    ", f.Remediation) + detail("", requiredBy(f.Guardrails))
	if f.Exempted() {
		text += detail("exempted by ", f.ExemptedBy())
	}
	return text
}

// sharesAdvice reports whether two findings are of the same policy, and have the same advice.
func (f *Finding) sharesAdvice(other *Finding) bool {
	if f.Policy != other.Policy {
		return false
	}
	same := f.Remediation == other.Remediation && slices.Equal(f.Guardrails, other.Guardrails) && slices.Equal(f.Exemptions, other.Exemptions)
	return same || f.advice() == other.advice()
}

func detail(label, text string) string {
	if text == "" {
		return ""
	}
	return "\n    " + label + Line(text, maxLine)
}

// Headline returns the finding on one line: policy, container and message.
func (f *Finding) Headline() string {
	return Line(policyAndContainer(f.Policy, f.Container)+": "+f.Message, maxLine)
}

// Outcome returns the consequence of the finding: denied, warned, recorded, tolerated, exempted
// or unknown.
func (f *Finding) Outcome() string {
	switch {
	case f.Exempted():
		return "exempted"
	case f.Unknown != "":
		return "unknown"
	case f.Tolerated != "":
		return "tolerated"
	case f.Denies():
		return "denied"
	case f.Mode == ModeWarn:
		return "warned"
	}
	return "recorded"
}

// Warnings returns a warning of at most MaxWarning characters for each finding that warns the
// writer of the object. If a warning is too long, it omits the reason first. A finding that
// could not be decided warns only if it would otherwise deny.
func (d *Decision) Warnings() []string {
	var warnings []string
	for i := range d.Findings {
		f := &d.Findings[i]
		if !f.Warns() || f.Unknown != "" && f.Mode < ModeEnforce {
			continue
		}
		start := policyAndContainer(f.Policy, f.Container) + ": "
		reason := d.reason(f)
		switch {
		case f.Unknown != "" && reason != "":
			warnings = append(warnings, warning(start, "not decided ("+reason+"): "+f.Message, "not decided: "+reason))
		case f.Tolerated != "":
			warnings = append(warnings, warning(start, "tolerated: "+f.Message+" ("+reason+")", "tolerated: "+f.Message))
		default:
			warnings = append(warnings, warning(start, f.Message))
		}
	}
	return limited(warnings)
}

// warning returns start followed by the first text that fits, or else by the last text cut at a
// clause.
func warning(start string, texts ...string) string {
	start = Line(start, maxLine) + " "
	line := ""
	for _, text := range texts {
		line = start + Line(text, maxLine)
		if utf8.RuneCountInString(line) <= MaxWarning {
			return line
		}
	}
	if end := lastClause(line, len(start)); end > 0 {
		return line[:end]
	}
	return line
}

// clauses has the beginnings of parts of a sentence that can be omitted.
var clauses = []string{", so ", ", which ", ", but ", ", and ", ": ", " ("}

// lastClause returns the start of the last clause after from at which the line is short enough,
// or 0 if there is none. It skips quoted text.
func lastClause(line string, from int) (end int) {
	quoted, escaped, runes := false, false, 0
	for i, r := range line {
		if runes > MaxWarning {
			break
		}
		runes++
		switch {
		case escaped:
			escaped = false
		case quoted && r == '\\':
			escaped = true
		case r == '"':
			quoted = !quoted
		case !quoted && i > from && slices.ContainsFunc(clauses, func(c string) bool { return strings.HasPrefix(line[i:], c) }):
			end = i
		}
	}
	return end
}

// FillWarnings returns warnings about the values that injections would set if their mode were
// enforce, with as many values of a policy and container per line as fit.
func (d *Decision) FillWarnings() []string {
	var warnings []string
	for _, group := range groupFills(d.Fills) {
		if group.mode != ModeWarn {
			continue
		}
		start := policyAndContainer(group.policy, group.container) + ": would set "
		text := start + group.values[0]
		for _, value := range group.values[1:] {
			if more := text + ", " + value; utf8.RuneCountInString(more) <= MaxWarning {
				text = more
				continue
			}
			warnings = append(warnings, text)
			text = start + value
		}
		warnings = append(warnings, text)
	}
	return limited(warnings)
}

// FillLines returns the values that injections set, or will set when Pods are created, with one
// line per policy and container.
func (d *Decision) FillLines() []string {
	var lines []string
	for _, group := range groupFills(d.Fills) {
		if group.mode == ModeEnforce {
			lines = append(lines, Line(policyAndContainer(group.policy, group.container)+": sets "+strings.Join(group.values, ", "), maxLine))
		}
	}
	return lines
}

type fillGroup struct {
	policy, container string
	mode              Mode
	skipReason        string
	guardrails        []string
	values            []string
}

// groupFills groups fills by policy, mode, reason and container, in their original order.
func groupFills(fills []Fill) []fillGroup {
	var groups []fillGroup
	for i := range fills {
		f := &fills[i]
		at := slices.IndexFunc(groups, func(g fillGroup) bool {
			return g.policy == f.Policy && g.container == f.Container && g.mode == f.Mode && g.skipReason == f.SkipReason
		})
		if at < 0 {
			at = len(groups)
			groups = append(groups, fillGroup{policy: f.Policy, container: f.Container, mode: f.Mode, skipReason: f.SkipReason})
		}
		g := &groups[at]
		g.guardrails = append(g.guardrails, f.Guardrails...)
		g.values = append(g.values, f.Text())
	}
	for i := range groups {
		slices.Sort(groups[i].guardrails)
		groups[i].guardrails = slices.Compact(groups[i].guardrails)
	}
	return groups
}

func limited(warnings []string) []string {
	if over := len(warnings) - MaxWarnings; over > 0 {
		warnings = append(warnings[:MaxWarnings], fmt.Sprintf("and %s", Count(over, "more warning", "more warnings")))
	}
	for i := range warnings {
		warnings[i] = Line(warnings[i], MaxWarning)
	}
	return warnings
}

func policyAndContainer(policy, container string) string {
	if container == "" {
		return policy
	}
	return fmt.Sprintf("%s, container %q", policy, container)
}

func requiredBy(guardrails []string) string {
	switch len(guardrails) {
	case 0:
		return ""
	case 1:
		return "required by Guardrail " + guardrails[0]
	}
	return "required by Guardrails " + strings.Join(guardrails, ", ")
}

func policiesOf(findings []*Finding) []string {
	var ids []string
	for _, f := range findings {
		if !slices.Contains(ids, f.Policy) {
			ids = append(ids, f.Policy)
		}
	}
	return ids
}

// Count returns a number with the noun for it: 1 object, 2 objects.
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// redactAhead is how many characters beyond the limit are searched for credentials.
const redactAhead = 4096

// Line returns text as one line of at most limit characters, without credentials. It replaces
// each run of white space by one space and drops unprintable characters: the text may contain
// what an object's writer chose, and it is printed to terminals and sent in headers.
func Line(text string, limit int) string {
	// Redact after joining: dropped characters may have split a token, and a line break ends a
	// word.
	return shortened(Redact(oneLine(text, limit+redactAhead)), limit)
}

// isLine reports whether text is one line of at most limit characters already. It is cheap, and
// false for some texts that are.
func isLine(text string, limit int) bool {
	if len(text) > limit {
		return false
	}
	space := true
	for i := range len(text) {
		c := text[i]
		if c < ' ' || c > '~' || c == ' ' && space {
			return false
		}
		space = c == ' '
	}
	return !space || text == ""
}

// oneLine returns text as one line of little more than limit characters.
func oneLine(text string, limit int) string {
	if isLine(text, limit) {
		return text
	}
	var b strings.Builder
	runes, blank := 0, false
	for _, r := range text {
		if unicode.IsSpace(r) {
			blank = runes > 0
			continue
		}
		if !unicode.IsPrint(r) {
			continue
		}
		if blank {
			b.WriteByte(' ')
			runes++
			blank = false
		}
		b.WriteRune(r)
		if runes++; runes > limit {
			break
		}
	}
	return b.String()
}

// shortened truncates a line to limit characters.
func shortened(line string, limit int) string {
	if len(line) <= limit || utf8.RuneCountInString(line) <= limit {
		return line
	}
	return strings.TrimRight(string([]rune(line)[:limit-1]), " ") + "…"
}
