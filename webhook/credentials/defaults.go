package credentials

import "regexp"

// fallback matches a syntax for the default of a variable.
type fallback struct {
	// needle occurs in every match.
	needle string
	// lead is how far before the needle a match may begin.
	lead int
	// pattern has two groups, the name of the variable and the literal, in either order.
	pattern *regexp.Regexp
	swapped bool
	// assigned also considers the name on the left to which the whole is assigned.
	assigned bool
}

const (
	// aLiteral has neither blanks, which messages have, nor variables.
	aLiteral = `\\?["']?((?:[^\s"'{}$\x60\\]|\$\$)+)\\?["']?`
	// inEnvironment matches how programs access environment variables.
	inEnvironment = `(?i:(?:env[a-z]*|secrets|vars)(?:\.(?:get|fetch))?(?:\.|[(\[]+["']))([A-Za-z0-9_]+)(?:["'][)\]]+)?`
	quotedLiteral = `["']([^\s"'$]+)["']`
)

var fallbacks = []fallback{
	{needle: "${", pattern: re(`^\$\{(?:env:|ENV:)?([A-Za-z_][A-Za-z0-9_]*|[0-9]):?[-=]` + aLiteral + `\}`), assigned: true},
	// Spring. The name of a secret store, which is a single word, has the same syntax: ${secret:db/password}.
	{needle: "${", pattern: re(`^\$\{([A-Za-z]+[A-Z0-9_.-][A-Za-z0-9_.-]*|passw(?:or)?d|passphrase):([^\s"'{}$\x60\\:?+=-][^\s"'{}$\x60\\]*)\}`)},
	{needle: "||", lead: 120, pattern: re(inEnvironment + `\s*\|\|\s*` + quotedLiteral)},
	{needle: "??", lead: 120, pattern: re(inEnvironment + `\s*\?\?\s*` + quotedLiteral)},
	{needle: "?:", lead: 120, pattern: re(inEnvironment + `\s*\?:\s*` + quotedLiteral)},
	{needle: " or ", lead: 120, pattern: re(inEnvironment + `\s+or\s+` + quotedLiteral)},
	{needle: "fetch", pattern: re(`^fetch\(["']([A-Za-z0-9_]+)["']\)\s*\{\s*` + quotedLiteral)},
	{needle: "default", lead: 120, pattern: re(`["'](?:--)?([A-Za-z0-9_-]+)["']\s*,(?:[^()\n"']{0,60},)?\s*default\s*=\s*` + quotedLiteral)},
	{needle: "variable", pattern: re(`^variable\s+"([A-Za-z0-9_-]+)"\s*\{[^{}]{0,200}?\bdefault\s*=\s*` + quotedLiteral)},
	{needle: "?=", lead: 120, pattern: re(`([A-Za-z_][A-Za-z0-9_]*)[ \t]*\?=[ \t]*([^\s"'$#]+)`)}, // make
	// Helm, Jinja and consul-template.
	{needle: "default", lead: 120, pattern: re(`([A-Za-z0-9_]+)["')]*\s*\|\s*default(?:\s+|\(\s*)` + quotedLiteral)},
	{needle: "default", pattern: re(`^default\s+\\?["']([^\s"'$\\]+)\\?["']\s+[($]?(?:[A-Za-z0-9_]*\.)+([A-Za-z0-9_]+)`), swapped: true},
}

// substring matches the rest of a substring expression in a shell: ${TOKEN:0:8}.
var substring = re(`^[0-9]+(?::[0-9]+)?$`)

// givenTo matches the name to which a variable is assigned.
var givenTo = re(`([A-Za-z0-9_.-]+)["']?\s*[:=]-?\s*\\?["']?$`)

// findVariableDefaults finds literals that are the default of a variable. Whether the default is used is unknown, so each
// is only likely.
func findVariableDefaults(t *text) {
	for i := range fallbacks {
		f := &fallbacks[i]
		for m := mentionsOf(t.raw, f.needle, maxCandidates); m.next(); {
			start := max(0, m.at-f.lead)
			groups := f.pattern.FindStringSubmatch(t.raw[start:min(len(t.raw), m.at+300)])
			if groups == nil {
				continue
			}
			name, value := groups[1], groups[2]
			if f.swapped {
				name, value = value, name
			}
			t.addDefault(f, name, value, m.at)
		}
	}
}

func (t *text) addDefault(f *fallback, name, value string, at int) {
	line := t.line(at)
	if !Named(name) && f.assigned {
		if groups := givenTo.FindStringSubmatch(t.raw[at-len(line) : at]); groups != nil {
			name = groups[1]
		}
	}
	if !Named(name) || !Plain(name, value) || isPlaceholder(lower(value)) || crypted.MatchString(value) || substring.MatchString(value) || comment.MatchString(line) {
		return
	}
	m := Match{Detector: "default", Name: lower(name), What: "a default for " + described(lower(name)), Likely: true}
	if len(name) > 80 {
		m.Name, m.What = "", "a default for "+described("")
	}
	t.add(m, at)
}
