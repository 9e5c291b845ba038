package auditlog

import (
	"errors"
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
		err = s.elements()
	} else {
		err = s.membersOf(at)
	}
	if err != nil {
		s.unreadable(Position{s.file, s.line}, err)
		s.skipLine()
	}
}

// elements reads the elements of a list up to its end.
func (s *stream) elements() error {
	for more := s.peek() != ']'; more && !s.stopped; {
		at := Position{s.file, s.line}
		c := s.peek()
		if c == end {
			return errCut
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
		switch s.peek() {
		case ',':
			s.skip(1)
		case ']':
			more = false
		case end:
			return errCut
		default:
			return errSyntax
		}
	}
	if s.stopped {
		return nil
	}
	s.skip(1)
	return nil
}

// membersOf reads the members of an object up to its end.
func (s *stream) membersOf(at Position) error {
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
			if err := s.elements(); err != nil || s.stopped {
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
