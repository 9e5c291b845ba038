package credentials

import (
	"html"
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
			end := min(len(t.low), at+400)
			if p.swapped {
				end = t.behind(at, end)
			}
			if near := t.low[at:end]; p.swapped && !strings.Contains(near[1:], "name") && !strings.Contains(near[1:], "key") || !p.swapped && !nameClue.MatchString(member(near[len(p.needle):])) {
				continue
			}
			groups := p.pattern.FindStringSubmatch(strings.ReplaceAll(t.raw[at:end], `\"`, `"`))
			if groups == nil || comment.MatchString(t.line(at)) {
				continue
			}
			name, value := groups[1], strings.Join(groups[2:], "")
			if p.swapped {
				name, value = groups[4], strings.Join(groups[1:4], "")
			}
			t.addPair(name, value, at)
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

// element is the start tag of an XML element.
type element struct {
	name string
	// attributes has names, in lower case, and values.
	attributes [][2]string
	empty      bool
	// length is the length of the tag, or 0 if it is not a tag.
	length int
}

// onScreen lists HTML elements with text for people.
var onScreen = set("a", "b", "button", "code", "dd", "div", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "i", "label", "legend", "li", "p", "pre",
	"small", "span", "strong", "td", "th")

const nameOfXML = alphanumeric + "_.:-"

// parseElement parses the tag at the beginning of a text. It stops at the next one.
func parseElement(text string) (e element) {
	at := 1 + span(text[1:], nameOfXML)
	if at == 1 || strings.IndexByte("0123456789_.:-", text[1]) >= 0 {
		return element{}
	}
	e.name = text[1:at]
	for {
		blank := span(text[at:], " \t\r\n")
		at += blank
		rest := text[at:]
		switch {
		case strings.HasPrefix(rest, ">"):
			e.length = at + 1
			return e
		case strings.HasPrefix(rest, "/>"):
			e.length, e.empty = at+2, true
			return e
		}
		name := span(rest, nameOfXML)
		equals := name + span(rest[name:], " \t\r\n=")
		if blank == 0 || name == 0 || equals == len(rest) || strings.Count(rest[name:equals], "=") != 1 {
			return element{}
		}
		end := -1
		if quote := rest[equals]; quote == '"' || quote == '\'' {
			end = strings.IndexAny(rest[equals+1:], string(quote)+"<>")
			if end >= 0 && rest[equals+1+end] != quote {
				end = -1
			}
		}
		if end < 0 {
			return element{}
		}
		e.attributes = append(e.attributes, [2]string{lower(rest[:name]), rest[equals+1 : equals+1+end]})
		at += equals + end + 2
	}
}

// findElements finds values in XML that the pattern for assignments misses: with the name in an attribute, in the
// element after that of the name, and in tags with a namespace or attribute.
func (t *text) findElements() {
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
		e := parseElement(t.raw[at:])
		if e.length == 0 {
			continue
		}
		begin := at + e.length
		content := ""
		if !e.empty {
			content = strings.TrimSpace(t.content(begin))
		}
		tag := e.name[strings.LastIndexByte(e.name, ':')+1:]
		name, value := "", ""
		for _, a := range e.attributes {
			switch a[0] {
			case "name", "key", "id", "property":
				name = a[1]
			case "value", "val":
				value = html.UnescapeString(a[1])
			}
		}
		switch {
		case value == "" && onScreen[lower(e.name)]:
		case name != "" && value != "":
			t.addPair(name, value, at)
		case name != "" && content != "" && !Named(tag):
			t.addPair(name, content, at)
		case len(e.attributes) > 0 && content != "" || strings.Contains(e.name, ":") || strings.HasPrefix(t.raw[begin:], "<![CDATA["):
			t.addPair(tag, content, at)
		}
		switch low := lower(tag); {
		case low == "name", low == "key", strings.HasSuffix(low, "-name"):
			pending = content
		case low == "value", low == "string", strings.HasSuffix(low, "-value"):
			if pending != "" {
				t.addPair(pending, content, at)
			}
			pending = ""
		}
	}
}

// maxCDATA limits how much of a CDATA section is examined: another one may begin within it.
const maxCDATA = 16 << 10

// content returns the text of the element at a position, up to the next element.
func (t *text) content(begin int) string {
	rest := t.raw[begin:]
	if cdata, ok := strings.CutPrefix(rest[span(rest, " \t\r\n"):], "<![CDATA["); ok {
		value, _, ok := strings.Cut(cdata[:min(len(cdata), maxCDATA)], "]]>")
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
