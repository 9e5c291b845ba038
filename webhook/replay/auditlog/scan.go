package auditlog

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json/jsontext"
)

// The reasons for which a value cannot be read.
var (
	errCut     = errors.New("the JSON text ends early")
	errSyntax  = errors.New("not JSON")
	errTooLong = errors.New("the value is too long")
)

// extent finds the end of a JSON value that arrives in pieces. It looks only at brackets and quotes; what is
// between them is parsed when it is used.
type extent struct {
	depth            int
	inString, escape bool
	// oneLine is set if a line break ends the value early.
	oneLine bool
}

// next continues with a piece of the text. It returns the length of what belongs to the value, and whether the
// value ends there. With oneLine, errCut is returned at a line break.
func (x *extent) next(text []byte) (length int, ended bool, err error) {
	for i := 0; i < len(text); {
		if x.inString {
			n, closed := x.inText(text[i:])
			if x.oneLine {
				if at := bytes.IndexByte(text[i:i+n], '\n'); at >= 0 {
					return i + at, false, errCut
				}
			}
			i += n
			if closed && x.depth == 0 {
				return i, true, nil
			}
			continue
		}
		switch c := text[i]; c {
		case '"':
			x.inString = true
		case '{', '[':
			x.depth++
		case '}', ']':
			x.depth--
			if x.depth < 0 {
				return i, false, errSyntax
			}
			if x.depth == 0 {
				return i + 1, true, nil
			}
		case '\n':
			if x.oneLine {
				return i, false, errCut
			}
		}
		i++
	}
	return len(text), false, nil
}

// inText consumes the rest of a string, or all of the text if the string does not end in it.
func (x *extent) inText(text []byte) (length int, closed bool) {
	i := 0
	for i < len(text) {
		if x.escape {
			x.escape = false
			i++
			continue
		}
		at := bytes.IndexByte(text[i:], '"')
		end := len(text)
		if at >= 0 {
			end = i + at
		}
		if slash := bytes.IndexByte(text[i:end], '\\'); slash >= 0 {
			x.escape = true
			i += slash + 1
			continue
		}
		if at < 0 {
			return len(text), false
		}
		x.inString = false
		return end + 1, true
	}
	return len(text), false
}

// Members calls each for the members of the object that a text begins with, until it returns false, and returns
// the length of the object. If the text ends early, the error is errCut, and each was called for every complete
// member.
func Members(text []byte, each func(name string, value []byte) bool) (length int, err error) {
	at := blank(text, 0)
	if at == len(text) {
		return at, errCut
	}
	if text[at] != '{' {
		return at, errSyntax
	}
	at = blank(text, at+1)
	if at < len(text) && text[at] == '}' {
		return at + 1, nil
	}
	for {
		name, next, err := stringAt(text, at)
		if err != nil {
			return at, err
		}
		at = blank(text, next)
		if at == len(text) {
			return at, errCut
		}
		if text[at] != ':' {
			return at, errSyntax
		}
		from := blank(text, at+1)
		to, err := valueEnd(text, from)
		if err != nil {
			return from, err
		}
		if !each(name, text[from:to]) {
			return to, nil
		}
		at = blank(text, to)
		switch {
		case at == len(text):
			return at, errCut
		case text[at] == '}':
			return at + 1, nil
		case text[at] != ',':
			return at, errSyntax
		}
		at = blank(text, at+1)
	}
}

// Elements calls each for the elements of the list that a text is, until it returns false.
func Elements(text []byte, each func(value []byte) bool) error {
	at := blank(text, 0)
	if at == len(text) {
		return errCut
	}
	if text[at] != '[' {
		return errSyntax
	}
	at = blank(text, at+1)
	if at < len(text) && text[at] == ']' {
		return nil
	}
	for {
		to, err := valueEnd(text, at)
		if err != nil {
			return err
		}
		if !each(text[at:to]) {
			return nil
		}
		at = blank(text, to)
		switch {
		case at == len(text):
			return errCut
		case text[at] == ']':
			return nil
		case text[at] != ',':
			return errSyntax
		}
		at = blank(text, at+1)
	}
}

// blank returns the position of the next byte that is not white space.
func blank(text []byte, at int) int {
	for at < len(text) && (text[at] == ' ' || text[at] == '\n' || text[at] == '\t' || text[at] == '\r') {
		at++
	}
	return at
}

// stringAt returns the string at a position, and the position after it.
func stringAt(text []byte, at int) (value string, next int, err error) {
	if at >= len(text) {
		return "", at, errCut
	}
	if text[at] != '"' {
		return "", at, errSyntax
	}
	x := extent{inString: true}
	length, closed := x.inText(text[at+1:])
	if !closed {
		return "", at, errCut
	}
	next = at + 1 + length
	raw := text[at:next]
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), next, nil
	}
	unquoted, err := unquote(raw)
	return unquoted, next, err
}

// valueEnd returns the position after the value at a position.
func valueEnd(text []byte, at int) (int, error) {
	if at >= len(text) {
		return at, errCut
	}
	switch text[at] {
	case '{', '[', '"':
		var x extent
		length, ended, err := x.next(text[at:])
		if err == nil && !ended {
			err = errCut
		}
		return at + length, err
	}
	end := at
	for end < len(text) && bytes.IndexByte([]byte(",]} \t\r\n"), text[end]) < 0 {
		end++
	}
	switch {
	case end == len(text):
		return end, errCut // true, or the beginning of it
	case end == at:
		return end, errSyntax
	}
	return end, nil
}

// unquote returns the value of a JSON string. Invalid UTF-8 is replaced.
func unquote(raw []byte) (string, error) {
	value, err := jsontext.AppendUnquote(nil, raw)
	if err != nil && len(value) == 0 && len(raw) > 2 {
		return "", errSyntax
	}
	return string(value), nil
}
