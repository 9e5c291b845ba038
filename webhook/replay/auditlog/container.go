package auditlog

import (
	"bytes"
	"errors"
	"slices"
	"time"
)

// lists has the names under which envelopes keep several events: EventList, the AWS command line, CloudWatch
// subscriptions, and Azure Monitor.
var lists = map[string]bool{"items": true, "events": true, "logEvents": true, "records": true, "Records": true}

// container reads a document of any length, element by element. If it contains no list, it is an event that
// is printed on several lines.
func (s *stream) container() {
	at := Position{s.file, s.line}
	c := s.peek()
	s.skip(1)
	var err error
	if c == '[' {
		err = s.elements(0)
	} else {
		err = s.membersOf(at, 0)
	}
	if err != nil {
		s.unreadable(Position{s.file, s.line}, err)
		s.skipLine()
	}
}

// maxNesting is how deep lists are unwrapped: pages of a list in an array.
const maxNesting = 3

// elements reads the elements of a list up to its end.
func (s *stream) elements(depth int) error {
	for more := s.peek() != ']'; more && !s.stopped; {
		at := Position{s.file, s.line}
		c := s.peek()
		if c == end {
			return errCut
		}
		if unwrapped, err := s.unwrap(at, depth); err != nil || s.stopped {
			return err
		} else if unwrapped {
			if more, err = s.nextElement(); err != nil {
				return err
			}
			continue
		}
		text, err := s.value(false)
		switch {
		case err == nil && c == '{':
			s.object(at, text, time.Time{})
		case err == nil:
			s.stats.Other++
		case c == '{' && errors.Is(err, errTooLong):
			s.broken(at, text, time.Time{}, err)
			if err := s.skipValue(); err != nil {
				return err
			}
			text = nil
		default:
			if c == '{' {
				s.broken(at, text, time.Time{}, err)
			}
			return err
		}
		s.skip(len(text))
		if more, err = s.nextElement(); err != nil {
			return err
		}
	}
	if s.stopped {
		return nil
	}
	s.skip(1)
	return nil
}

// nextElement goes on to the next element of a list, and reports whether there is one.
func (s *stream) nextElement() (more bool, err error) {
	switch s.peek() {
	case ',':
		s.skip(1)
		return true, nil
	case ']':
		return false, nil
	case end:
		return false, errCut
	}
	return false, errSyntax
}

// unwrap reads an element that is itself a list, or contains one: a page of a command's output, or an EventList.
func (s *stream) unwrap(at Position, depth int) (bool, error) {
	if depth >= maxNesting {
		return false, nil
	}
	switch s.peek() {
	case '[':
		s.skip(1)
		return true, s.elements(depth + 1)
	case '{':
		if holdsList(s.ahead(containerPrefix)) {
			s.skip(1)
			return true, s.membersOf(at, depth+1)
		}
	}
	return false, nil
}

// holdsList reports whether a text begins an object with a list of events. An event has its auditID first.
func holdsList(text []byte) bool {
	return !bytes.Contains(text, []byte(`"auditID"`)) && slices.ContainsFunc(containerMarks, func(mark []byte) bool { return bytes.Contains(text, mark) }) ||
		slices.ContainsFunc(listMarks, func(mark []byte) bool { return bytes.HasPrefix(bytes.Join(bytes.Fields(text), nil), mark) })
}

// listMarks are the beginnings of objects that contain events right away.
var listMarks = [][]byte{[]byte(`{"events":[`), []byte(`{"items":[`), []byte(`{"logEvents":[`), []byte(`{"records":[`), []byte(`{"Records":[`), []byte(`{"kind":"EventList"`)}

// membersOf reads the members of an object up to its end.
func (s *stream) membersOf(at Position, depth int) error {
	whole, listed := []byte{'{'}, false
	for more := s.peek() != '}'; more; {
		if s.peek() != '"' {
			return errSyntax
		}
		raw, err := s.value(false)
		if err != nil {
			return err
		}
		name, err := unquote(raw)
		if err != nil {
			return err
		}
		s.skip(len(raw))
		if s.peek() != ':' {
			return errSyntax
		}
		s.skip(1)
		if lists[name] && s.peek() == '[' {
			listed = true
			s.skip(1)
			if err := s.elements(depth); err != nil || s.stopped {
				return err
			}
		} else if whole, err = s.member(whole, name, listed); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.skip(1)
		case '}':
			more = false
		case end:
			return errCut
		default:
			return errSyntax
		}
	}
	s.skip(1)
	if !listed {
		s.object(at, append(whole, '}'), time.Time{})
	}
	return nil
}

// member appends a member to the text of an object that contains no list so far.
func (s *stream) member(whole []byte, name string, listed bool) ([]byte, error) {
	if s.peek() == end {
		return whole, errCut
	}
	value, err := s.value(false)
	if err != nil {
		return whole, err
	}
	if !listed {
		if len(whole)+len(value) > maxValue {
			return whole, errTooLong
		}
		if len(whole) > 1 {
			whole = append(whole, ',')
		}
		// Only names without escapes matter.
		whole = append(append(append(whole, '"'), plainName(name)...), '"', ':')
		whole = append(whole, value...)
	}
	s.skip(len(value))
	return whole, nil
}

// plainName returns a name, or "" if it needs escapes.
func plainName(name string) string {
	for i := range len(name) {
		if name[i] == '"' || name[i] == '\\' || name[i] < ' ' {
			return ""
		}
	}
	return name
}

// skipValue consumes a value of any length.
func (s *stream) skipValue() error {
	var x extent
	for {
		length, ended, err := x.next(s.rest())
		s.skip(length)
		if ended || err != nil {
			return err
		}
		if !s.fill() {
			return s.endError(errCut)
		}
	}
}
