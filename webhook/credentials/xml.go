package credentials

import (
	"html"
	"strings"
)

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
	for m := mentionsOf(t.raw, "<", maxMentions); m.next(); {
		at := m.at
		if strings.HasPrefix(t.raw[at:], "<!--") {
			end := strings.Index(t.raw[at:], "-->")
			if end < 0 {
				return
			}
			m.skip(at + end)
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
