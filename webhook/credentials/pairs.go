package credentials

import (
	"regexp"
	"strings"
)

// pairs match a name and its value in two adjacent members, in JSON, YAML and XML. Each begins with a word that
// is searched for first.
var pairs = []struct {
	needle string
	// pattern begins at the needle. Its groups are a name and a value.
	pattern *regexp.Regexp
	swapped bool
}{
	// - name: DB_PASSWORD
	//   value: x
	{`name`, re(`^name["']?\s*:\s*["']?([A-Za-z0-9_.\-]+)["']?\s*,?\s*["']?value["']?\s*:\s*(?:"([^"\n]+)(?:"|$)|'([^'\n]+)'|([^\s"'{}\[\],]+))`), false},
	// "type": "password", "value": "x"
	{`type`, re(`^type["']?\s*:\s*["']?(password)["']?\s*,?\s*["']?value["']?\s*:\s*(?:"([^"\n]+)(?:"|$)|'([^'\n]+)'|([^\s"'{}\[\],]+))`), false},
	{`key`, re(`^key["']?\s*:\s*["']?([A-Za-z0-9_.\-]+)["']?\s*,?\s*["']?value["']?\s*:\s*(?:"([^"\n]+)(?:"|$)|'([^'\n]+)'|([^\s"'{}\[\],]+))`), false},
	{`value`, re(`^value["']?\s*:\s*(?:"([^"\n]+)(?:"|$)|'([^'\n]+)'|([^\s"'{}\[\],]+))\s*,?\s*["']?(?:name|key)["']?\s*:\s*["']?([A-Za-z0-9_.\-]+)["']?(?:\s|[,}]|$)`), true},
}

// findNameValuePairs finds a name in one member and its value in the next.
func findNameValuePairs(t *text) {
	for i := range pairs {
		p := &pairs[i]
		for m := mentionsOf(t.low, p.needle, maxMentions); m.next(); {
			if m.end < len(t.low) && strings.IndexByte(`"':\ `, t.low[m.end]) < 0 {
				continue
			}
			end := min(len(t.low), m.at+400)
			if p.swapped {
				end = t.behind(m.at, end)
			}
			if near := t.low[m.at:end]; p.swapped && !strings.Contains(near[1:], "name") && !strings.Contains(near[1:], "key") || !p.swapped && !nameClue.MatchString(member(near[len(p.needle):])) {
				continue
			}
			groups := p.pattern.FindStringSubmatch(strings.ReplaceAll(t.raw[m.at:end], `\"`, `"`))
			if groups == nil || comment.MatchString(t.line(m.at)) {
				continue
			}
			name, value := groups[1], strings.Join(groups[2:], "")
			if p.swapped {
				name, value = groups[4], strings.Join(groups[1:4], "")
			}
			t.addPair(name, value, m.at)
		}
	}
	t.findElements()
}

var valueBegins = re(`^value\\?["']?\s{0,20}:\s{0,20}\\?["']`)

// behind returns where to stop searching for the name after a value, which may be long.
func (t *text) behind(at, end int) int {
	begin := valueBegins.FindString(t.low[at:min(len(t.low), at+64)])
	if begin == "" {
		return end
	}
	length := strings.IndexByte(t.low[at+len(begin):], begin[len(begin)-1])
	return min(len(t.low), max(end, at+len(begin)+length+200))
}

// member returns the first word of a member's value.
func member(text string) string {
	text = strings.TrimLeft(text, "\"':\\ \t")
	if end := strings.IndexAny(text, "\"'\\ \t\r\n,}"); end >= 0 {
		return text[:end]
	}
	return text
}

func (t *text) addPair(name, value string, at int) {
	if isPlaceholder(lower(value)) || foreign.MatchString(value) || t.isLabel(value) {
		return
	}
	m, ok := named(name, value)
	if !ok {
		return
	}
	m.Named, m.Name = false, lower(name)
	if len(m.Name) > 80 {
		m.Name = ""
	}
	m.Detector, m.What = "name and value", described(m.Name)
	t.add(m.downgradeWords(value), at)
}
