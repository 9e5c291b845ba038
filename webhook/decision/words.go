package decision

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What the words of a decision are bounded to. Objects are written by anybody, and an
// image reference alone may be as large as an object: nothing of it is repeated whole.
const (
	// MaxFindings is how many findings a denial spells out before it counts.
	MaxFindings = 20
	// MaxWarnings is how many warnings are given before they are counted. The API
	// server cuts all warnings of a request once they pass 4096 characters together.
	MaxWarnings = 20
	// MaxWarning is how many characters a warning has.
	MaxWarning = 120
	// maxAnnotation bounds the value of one audit annotation.
	maxAnnotation = 1000
	// maxLine bounds each piece of text in a denial.
	maxLine = 400
)

// Subject names an object as everything that Taffrail prints does: kind, then
// namespace/name, or the name alone for a cluster-scoped object.
func Subject(kind, namespace, name string) string {
	if name == "" {
		name = "(no name yet)"
	}
	if namespace != "" {
		name = namespace + "/" + name
	}
	return Line(kind+" "+name, maxLine)
}

// Subject names the object of a request.
func (r *Request) Subject() string {
	kind := r.Kind.Kind
	if r.Subresource != "" {
		kind += "/" + r.Subresource
	}
	return Subject(kind, r.Namespace.Name, r.DisplayName())
}

// Denial is what a person reads whose object was refused. It is empty where no finding
// denies. No line ends in a line break, and no value of a fix is repeated.
func (d *Decision) Denial(subject string) string {
	var denying []*Finding
	for i := range d.Findings {
		if d.Findings[i].Denies() {
			denying = append(denying, &d.Findings[i])
		}
	}
	if len(denying) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s is refused by %s:", subject, count(len(policiesOf(denying)), "policy", "policies"))
	shown := min(len(denying), MaxFindings)
	for i, f := range denying[:shown] {
		b.WriteString("\n- ")
		b.WriteString(f.finding())
		// What all findings of a policy have in common is said once, after the last.
		if i+1 == shown || f.advice() != denying[i+1].advice() || f.Policy != denying[i+1].Policy {
			b.WriteString(f.advice())
		}
	}
	if rest := denying[shown:]; len(rest) > 0 {
		fmt.Fprintf(&b, "\n- and %s of %s", count(len(rest), "more finding", "more findings"),
			Line(strings.Join(policiesOf(rest), ", "), maxLine))
	}
	return b.String()
}

// Words spells one finding out: a headline, then the field, what to write and who asks,
// each on an indented line of its own where there is something to say.
func (f *Finding) Words() string { return f.finding() + f.advice() }

// finding is what is about this one finding alone.
func (f *Finding) finding() string { return f.Headline() + detail("field:  ", f.Path) }

// advice is what the finding shares with others of its policy.
func (f *Finding) advice() string {
	text := detail("write:  ", f.Remediation) + detail("", asked(f.Guardrails))
	if f.Exempted() {
		text += detail("excused by ", f.ExemptedBy())
	}
	return text
}

func detail(label, text string) string {
	if text == "" {
		return ""
	}
	return "\n    " + label + Line(text, maxLine)
}

// Headline is the finding in one line: policy, container, and what is wrong.
func (f *Finding) Headline() string {
	return Line(where(f.Policy, f.Container)+": "+f.Message, maxLine)
}

// Outcome is what became of the finding, in one word: denied, warned, recorded,
// tolerated, exempted or unknown.
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

// Warnings is what the writer of the object is told about findings without being
// stopped: one line of at most MaxWarning characters each. Where there is no room for
// all, reasons are left out before what is wrong is. What could not be decided warns only
// where it would have denied.
func (d *Decision) Warnings() []string {
	var warnings []string
	for i := range d.Findings {
		f := &d.Findings[i]
		if !f.Warns() || f.Unknown != "" && f.Mode < ModeEnforce {
			continue
		}
		start := where(f.Policy, f.Container) + ": "
		why := d.why(f)
		switch {
		case f.Unknown != "" && why != "":
			warnings = append(warnings, warning(start, "not decided ("+why+"): "+f.Message, "not decided: "+why))
		case f.Tolerated != "":
			warnings = append(warnings, warning(start, "tolerated: "+f.Message+" ("+why+")", "tolerated: "+f.Message))
		default:
			warnings = append(warnings, warning(start, f.Message))
		}
	}
	return bounded(warnings)
}

// warning is start and the first of some texts that there is room for, or else the last
// of them up to where a clause ends.
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

// clauses are what begins a part of a sentence that the rest makes sense without.
var clauses = []string{", so ", ", which ", ", but ", ", and ", ": ", " ("}

// lastClause is where the last clause begins that leaves no more than a warning has room
// for, or 0 if none does after from. What is in quotes is somebody's value.
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

// FillWarnings tells what injections would set if their mode were enforce: per policy
// and container as many values in a line as a warning has room for.
func (d *Decision) FillWarnings() []string {
	var warnings []string
	for _, group := range groupFills(d.Fills) {
		if group.mode != ModeWarn {
			continue
		}
		start := where(group.policy, group.container) + ": would set "
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
	return bounded(warnings)
}

// FillLines tells what injections set, or will set once Pods are created, one line a
// policy and container.
func (d *Decision) FillLines() []string {
	var lines []string
	for _, group := range groupFills(d.Fills) {
		if group.mode == ModeEnforce {
			lines = append(lines, Line(where(group.policy, group.container)+": sets "+strings.Join(group.values, ", "), maxLine))
		}
	}
	return lines
}

type fillGroup struct {
	policy, container string
	mode              Mode
	left              string
	guardrails        []string
	values            []string
}

// groupFills gathers fills of one policy, mode, reason and container, in the order they come in.
func groupFills(fills []Fill) []fillGroup {
	var groups []fillGroup
	for _, f := range fills {
		at := slices.IndexFunc(groups, func(g fillGroup) bool {
			return g.policy == f.Policy && g.container == f.Container && g.mode == f.Mode && g.left == f.Left
		})
		if at < 0 {
			at = len(groups)
			groups = append(groups, fillGroup{policy: f.Policy, container: f.Container, mode: f.Mode, left: f.Left})
		}
		g := &groups[at]
		g.guardrails = append(g.guardrails, f.Guardrails...)
		// Four values for one container do not fit into a warning with the prefix.
		g.values = append(g.values, strings.TrimPrefix(f.Field, "resources.")+"="+f.Value)
	}
	for i := range groups {
		slices.Sort(groups[i].guardrails)
		groups[i].guardrails = slices.Compact(groups[i].guardrails)
	}
	return groups
}

func bounded(warnings []string) []string {
	if over := len(warnings) - MaxWarnings; over > 0 {
		warnings = append(warnings[:MaxWarnings], fmt.Sprintf("and %s", count(over, "more warning", "more warnings")))
	}
	for i := range warnings {
		warnings[i] = Line(warnings[i], MaxWarning)
	}
	return warnings
}

func where(policy, container string) string {
	if container == "" {
		return policy
	}
	return fmt.Sprintf("%s, container %q", policy, container)
}

func asked(guardrails []string) string {
	switch len(guardrails) {
	case 0:
		return ""
	case 1:
		return "asked by Guardrail " + guardrails[0]
	}
	return "asked by Guardrails " + strings.Join(guardrails, ", ")
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

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// redactAhead is how much further than it is printed a text is searched for credentials.
const redactAhead = 4096

// Line makes text one line of at most limit characters, cut on a rune boundary, without
// credentials. Space of any length becomes one blank and everything that does not print is
// dropped: the text may hold what an object's writer chose, and it is read in a terminal
// and sent in a header.
func Line(text string, limit int) string {
	// What is dropped may have kept a token apart, and a line break ends a word.
	return shortened(Redact(oneLine(text, limit+redactAhead)), limit)
}

// oneLine makes text one line of little more than limit characters.
func oneLine(text string, limit int) string {
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

// shortened cuts a line to limit characters.
func shortened(line string, limit int) string {
	if utf8.RuneCountInString(line) <= limit {
		return line
	}
	return strings.TrimRight(string([]rune(line)[:limit-1]), " ") + "…"
}
