package credentials

import (
	"html"
	"regexp"
	"strings"
)

// pairs are the ways in which a name and its value stand in two members beside each other, in JSON,
// YAML and XML. Each begins at a word that is looked for first.
var pairs = []struct {
	needle string
	// pattern begins at the needle. Its groups are a name and a value.
	pattern *regexp.Regexp
	swapped bool
}{
	// - name: DB_PASSWORD
	//   value: x
	{`name`, re(`^name["']?\s*:\s*["']?([A-Za-z0-9_.\-]+)["']?\s*,?\s*["']?value["']?\s*:\s*(?:"([^"\n]+)(?:"|$)|'([^'\n]+)'|([^\s"'{}\[\],]+))`), false},
	{`key`, re(`^key["']?\s*:\s*["']?([A-Za-z0-9_.\-]+)["']?\s*,?\s*["']?value["']?\s*:\s*(?:"([^"\n]+)(?:"|$)|'([^'\n]+)'|([^\s"'{}\[\],]+))`), false},
	{`value`, re(`^value["']?\s*:\s*(?:"([^"\n]+)(?:"|$)|'([^'\n]+)'|([^\s"'{}\[\],]+))\s*,?\s*["']?(?:name|key)["']?\s*:\s*["']?([A-Za-z0-9_.\-]+)["']?(?:\s|[,}]|$)`), true},
}

// paired finds a name in one member and its value in the next.
func paired(t *text) {
	for i := range pairs {
		p := &pairs[i]
		for from, n := 0, 0; n < maxMentions; n++ {
			at := strings.Index(t.low[from:], p.needle)
			if at < 0 {
				break
			}
			at += from
			from = at + len(p.needle)
			if from < len(t.low) && strings.IndexByte(`"':\ `, t.low[from]) < 0 {
				continue
			}
			if near := t.low[at:min(len(t.low), at+400)]; p.swapped && !strings.Contains(near[1:], "name") && !strings.Contains(near[1:], "key") || !p.swapped && !nameClue.MatchString(member(near[len(p.needle):])) {
				continue
			}
			groups := p.pattern.FindStringSubmatch(strings.ReplaceAll(t.raw[at:min(len(t.raw), at+400)], `\"`, `"`))
			if groups == nil || comment.MatchString(t.line(at)) {
				continue
			}
			name, value := groups[1], strings.Join(groups[2:], "")
			if p.swapped {
				name, value = groups[4], strings.Join(groups[1:4], "")
			}
			t.pair(name, value, at)
		}
	}
	t.elements()
}

// member is the first word of what follows the name of a member.
func member(text string) string {
	text = strings.TrimLeft(text, "\"':\\ \t")
	if end := strings.IndexAny(text, "\"'\\ \t\r\n,}"); end >= 0 {
		return text[:end]
	}
	return text
}

func (t *text) pair(name, value string, at int) {
	if vacant(lower(value)) || foreign.MatchString(value) || t.label(value) {
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
	t.add(m.of(value), at)
}

var (
	element   = re(`^<([A-Za-z][\w.:-]{0,80})((?:\s+[\w.:-]{1,80}\s*=\s*(?:"[^"<>]{0,400}"|'[^'<>]{0,400}'))*)\s*(/?)>`)
	attribute = re(`([\w.:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')`)
)

// elements finds values in XML that the pattern of assignments does not see: under a name in an
// attribute, in the element that follows that of the name, and behind a namespace or an attribute.
func (t *text) elements() {
	if !strings.Contains(t.raw, "</") && !strings.Contains(t.raw, "/>") {
		return
	}
	pending := "" // the text of an element that is a name
	for from, n := 0, 0; n < maxMentions; n++ {
		at := strings.IndexByte(t.raw[from:], '<')
		if at < 0 {
			return
		}
		at += from
		from = at + 1
		if strings.HasPrefix(t.raw[at:], "<!--") {
			end := strings.Index(t.raw[at:], "-->")
			if end < 0 {
				return
			}
			from = at + end
			continue
		}
		groups := element.FindStringSubmatch(t.raw[at:min(len(t.raw), at+1200)])
		if groups == nil {
			continue
		}
		begin := at + len(groups[0])
		content := ""
		if groups[3] == "" {
			content = strings.TrimSpace(t.content(begin))
		}
		tag := groups[1][strings.LastIndexByte(groups[1], ':')+1:]
		name, value := "", ""
		for _, a := range attribute.FindAllStringSubmatch(groups[2], 20) {
			switch lower(a[1]) {
			case "name", "key", "id", "property":
				name = a[2] + a[3]
			case "value", "val":
				value = html.UnescapeString(a[2] + a[3])
			}
		}
		switch {
		case name != "" && (value != "" || content != ""):
			if value == "" {
				value = content
			}
			t.pair(name, value, at)
		case groups[2] != "" && content != "" || strings.Contains(groups[1], ":") || strings.HasPrefix(t.raw[begin:], "<![CDATA["):
			t.pair(tag, content, at)
		}
		switch lower(tag) {
		case "name", "key", "param-name":
			pending = content
		case "value", "string", "param-value":
			if pending != "" {
				t.pair(pending, content, at)
			}
			pending = ""
		}
	}
}

// content is the text of an element that begins at a position, up to the next one.
func (t *text) content(begin int) string {
	rest := t.raw[begin:min(len(t.raw), begin+600)]
	if cdata, ok := strings.CutPrefix(strings.TrimLeft(rest, " \t\r\n"), "<![CDATA["); ok {
		value, _, ok := strings.Cut(cdata, "]]>")
		if !ok {
			return ""
		}
		return value
	}
	value, _, ok := strings.Cut(rest, "<")
	if !ok {
		return ""
	}
	return html.UnescapeString(value)
}
