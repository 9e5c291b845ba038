package request

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// errSyntax is returned for a text that is not JSON.
var errSyntax = errors.New("not JSON")

// maxSkippedDepth is how deep a value may nest that is skipped: as deep as jsontext reads.
const maxSkippedDepth = 10000

// scanner reads a JSON text (RFC 8259) from start to end. The strings that it returns are parts
// of the text wherever they have no escapes, so that reading an object copies none of its values.
type scanner struct {
	text string
	// at is the position of the next byte to read.
	at int
}

// next returns the first byte of the next token, or 0 at the end of the text. It does not consume
// the token.
func (s *scanner) next() byte {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return c
		}
	}
	return 0
}

// kindOf returns the kind of the token that begins with a byte, or 0 for one that begins no value.
func kindOf(c byte) jsontext.Kind {
	switch c {
	case 'n', 't', 'f', '"', '{', '[':
		return jsontext.Kind(c)
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return '0'
	}
	return 0
}

// name consumes the name of a member and the colon after it.
func (s *scanner) name() (string, error) {
	if s.next() != '"' {
		return "", errSyntax
	}
	name, err := s.string()
	if err != nil {
		return "", err
	}
	if s.next() != ':' {
		return "", errSyntax
	}
	s.at++
	return name, nil
}

// more consumes what comes between the elements of an array or the members of an object, or the
// byte that ends it. It reports whether another one follows.
func (s *scanner) more(end byte) (bool, error) {
	switch s.next() {
	case ',':
		s.at++
		if s.next() == end {
			return false, errSyntax
		}
		return true, nil
	case end:
		s.at++
		return false, nil
	}
	return false, errSyntax
}

// begin consumes the byte that begins an array or an object, and the one that ends it if it is
// empty. It reports whether there is an element.
func (s *scanner) begin(end byte) bool {
	s.at++
	if s.next() == end {
		s.at++
		return false
	}
	return true
}

// string consumes a string and returns its value. Invalid UTF-8 is replaced, as the consumers of an
// object do.
func (s *scanner) string() (string, error) {
	from := s.at
	plain, err := s.skipString()
	if err != nil {
		return "", err
	}
	if plain {
		return s.text[from+1 : s.at-1], nil
	}
	// The error is that of invalid UTF-8, which is replaced.
	value, _ := jsontext.AppendUnquote(nil, s.text[from:s.at])
	return string(value), nil
}

// skipString consumes a string. It reports whether the value of the string is what is between its
// quotes.
func (s *scanner) skipString() (plain bool, err error) {
	text, at := s.text, s.at+1
	from, ascii, escaped := at, true, false
	for {
		at += plainBytes(text[at:])
		if at >= len(text) {
			return false, errSyntax
		}
		switch c := text[at]; {
		case c == '"':
			s.at = at + 1
			return !escaped && (ascii || utf8.ValidString(text[from:at])), nil
		case c == '\\':
			length := escapeLength(text[at:])
			if length == 0 {
				return false, errSyntax
			}
			escaped = true
			at += length
		case c < ' ':
			return false, errSyntax
		default:
			ascii = ascii && c < utf8.RuneSelf
			at++
		}
	}
}

// plainBytes returns how many bytes at the start of a text are ASCII that stands for itself in a
// string.
func plainBytes(text string) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(text)-n >= 8; n += 8 {
		word := wordAt(text[n : n+8])
		// The top bit of a byte is set in one of the terms if the byte is below a space, a quote, a
		// backslash, or not ASCII. A borrow sets it wrongly only above a byte for which it is right.
		quotes, escapes := word^(ones*'"'), word^(ones*'\\')
		if found := ((word - ones*' ') | (quotes - ones) | (escapes - ones) | word) & tops; found != 0 {
			return n + bits.TrailingZeros64(found)/8
		}
	}
	for n < len(text) && ' ' <= text[n] && text[n] < utf8.RuneSelf && text[n] != '"' && text[n] != '\\' {
		n++
	}
	return n
}

// wordAt returns the first 8 bytes of a text, the first one lowest. The compiler makes one load of it.
func wordAt(t string) uint64 {
	_ = t[7]
	return uint64(t[0]) | uint64(t[1])<<8 | uint64(t[2])<<16 | uint64(t[3])<<24 |
		uint64(t[4])<<32 | uint64(t[5])<<40 | uint64(t[6])<<48 | uint64(t[7])<<56
}

// escapeLength returns the length of the escape sequence that a text begins with, or 0 if it begins
// with none.
func escapeLength(text string) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		const length = len(`\u0000`)
		if len(text) < length {
			return 0
		}
		for _, c := range []byte(text[2:length]) {
			if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
				return 0
			}
		}
		return length
	}
	return 0
}

// number consumes a number and returns its text.
func (s *scanner) number() (string, error) {
	from := s.at
	if s.text[s.at] == '-' {
		s.at++
	}
	switch {
	case s.at < len(s.text) && s.text[s.at] == '0':
		s.at++
	case s.digits() == 0:
		return "", errSyntax
	}
	if s.at < len(s.text) && s.text[s.at] == '.' {
		s.at++
		if s.digits() == 0 {
			return "", errSyntax
		}
	}
	if s.at < len(s.text) && (s.text[s.at] == 'e' || s.text[s.at] == 'E') {
		s.at++
		if s.at < len(s.text) && (s.text[s.at] == '+' || s.text[s.at] == '-') {
			s.at++
		}
		if s.digits() == 0 {
			return "", errSyntax
		}
	}
	return s.text[from:s.at], nil
}

func (s *scanner) digits() (n int) {
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		s.at++
		n++
	}
	return n
}

// literal consumes null, true or false.
func (s *scanner) literal(word string) error {
	if len(s.text)-s.at < len(word) || s.text[s.at:s.at+len(word)] != word {
		return errSyntax
	}
	s.at += len(word)
	return nil
}

// scalar consumes a value without elements. kind is the value's.
func (s *scanner) scalar(kind jsontext.Kind) (err error) {
	switch kind {
	case 'n':
		return s.literal("null")
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case '"':
		_, err = s.skipString()
		return err
	case '0':
		_, err = s.number()
		return err
	}
	return errSyntax
}

// eachMember calls read for each name of the next object. read must consume the value.
func (s *scanner) eachMember(read func(name string) error) error {
	if err := s.expect('{', "an object"); err != nil {
		return err
	}
	for more := s.begin('}'); more; {
		name, err := s.name()
		if err != nil {
			return err
		}
		if err := read(name); err != nil {
			return err
		}
		if more, err = s.more('}'); err != nil {
			return err
		}
	}
	return nil
}

// readText reads a string that the text does not outlive.
func (s *scanner) readText() (string, error) {
	if err := s.expect('"', "a string"); err != nil {
		return "", err
	}
	text, err := s.string()
	return strings.Clone(text), err
}

// expect returns an error if the next value is of another kind.
func (s *scanner) expect(want jsontext.Kind, what string) error {
	kind := kindOf(s.next())
	switch kind {
	case want:
		return nil
	case '{', '[':
	default:
		if err := s.scalar(kind); err != nil {
			return err
		}
	}
	return fmt.Errorf("expected %s, found %s", what, kind)
}

// skip consumes a value. depth is how many arrays and objects it is in.
func (s *scanner) skip(depth int) error { return s.skipWithin(depth, maxSkippedDepth, errSyntax) }

// skipWithin consumes a value, and returns tooDeep if it nests as deep as the limit.
func (s *scanner) skipWithin(depth, limit int, tooDeep error) error {
	kind := kindOf(s.next())
	if kind != '{' && kind != '[' {
		return s.scalar(kind)
	}
	if depth >= limit {
		return tooDeep
	}
	end := byte(kind) + 2 // of both kinds in ASCII
	for more := s.begin(end); more; {
		if kind == '{' {
			if _, err := s.name(); err != nil {
				return err
			}
		}
		if err := s.skipWithin(depth+1, limit, tooDeep); err != nil {
			return err
		}
		var err error
		if more, err = s.more(end); err != nil {
			return err
		}
	}
	return nil
}
