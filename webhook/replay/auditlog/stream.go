package auditlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/klauspost/compress/zstd"
)

// stream reads the events of one file.
type stream struct {
	*window
	file  string
	stats *Stats
	// needed is Options.Needed.
	needed func(*ObjectRef) bool
	users  users
	// emit returns false to end the stream.
	emit func(*Event) bool
	// stopped is set once emit has returned false.
	stopped bool
	// last is the time of the last event that had one.
	last time.Time
}

// read reads until the end of the stream.
func (s *stream) read() {
	for !s.stopped {
		switch c := s.peek(); {
		case c == end:
			s.reportEnd()
			return
		case (c == '{' || c == '[') && isContainer(s.ahead(containerPrefix)):
			s.container()
		case c == '{':
			s.compact()
		default:
			s.plain()
		}
	}
}

// reportEnd reports an error of the stream. What was read before it is used.
func (s *stream) reportEnd() {
	if s.err != nil && !errors.Is(s.err, io.EOF) {
		s.stats.Damaged++
		s.stats.problem(Position{s.file, s.line}, "the file ends early or is damaged from here on: "+explained(s.err))
	}
}

// explained returns the text of an error, with what to do about it if that is known.
func explained(err error) string {
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return fmt.Sprintf("its zstd window is larger than %d MiB: compress it again without --long or --ultra", maxZstdWindow>>20)
	}
	return err.Error()
}

// containerPrefix is how many bytes are looked at to recognize a document that contains events.
const containerPrefix = 512

var containerMarks = [][]byte{
	[]byte(`"kind":"EventList"`), []byte(`"events":`), []byte(`"logEvents":`), []byte(`"records":`), []byte(`"messageType":`), []byte(`"items":`),
}

// isContainer reports whether a text begins a document that is read piece by piece: a list, an envelope with several
// events, or a document with line breaks.
func isContainer(text []byte) bool {
	if text[0] == '[' {
		return true
	}
	if bytes.HasPrefix(text, []byte(`{"kind":"Event",`)) {
		return false
	}
	if at := 1 + len(text[1:]) - len(bytes.TrimLeft(text[1:], " \t\r")); at < len(text) && text[at] == '\n' {
		return true
	}
	line, _, _ := bytes.Cut(text, []byte{'\n'})
	for _, mark := range containerMarks {
		if bytes.Contains(line, mark) {
			return true
		}
	}
	return false
}

// compact reads a document without line breaks.
func (s *stream) compact() {
	at := Position{s.file, s.line}
	text, err := s.value(true)
	if err != nil {
		s.broken(at, text, time.Time{}, err)
		s.skipLine()
		return
	}
	s.object(at, text, time.Time{})
	s.skip(len(text))
}

// plain reads a line that does not begin with an object: one of CloudWatch's exports begins with a time.
func (s *stream) plain() {
	at := Position{s.file, s.line}
	line, err := s.textLine()
	if err != nil {
		s.stats.problem(at, err.Error())
		s.skipLine()
		return
	}
	length := len(line)
	first, rest, _ := bytes.Cut(line, []byte{' '})
	if exported, err := time.Parse(time.RFC3339Nano, string(first)); err == nil {
		s.message(at, bytes.TrimSpace(rest), exported)
	} else if !isWriteTest(line) {
		s.stats.problem(at, "neither JSON nor a line of an export")
	}
	s.skip(length)
}

// isWriteTest reports whether a line is the content of the file that CloudWatch leaves in a bucket to try whether it
// may write there.
func isWriteTest(line []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(line), []byte("Permission Check Successful"))
}

// message reads the text of a log event. Log groups contain other logs too.
func (s *stream) message(at Position, text []byte, logged time.Time) {
	for first := true; (first || len(text) > 0) && !s.stopped; first = false {
		if len(text) == 0 || text[0] != '{' {
			s.stats.Other++
			return
		}
		length, err := valueEnd(text, 0)
		if err != nil {
			s.broken(at, text, logged, err)
			return
		}
		s.object(at, text[:length], logged)
		text = text[length+blank(text[length:], 0):]
	}
}

// object reads a complete object: an event, or an envelope of one.
func (s *stream) object(at Position, text []byte, logged time.Time) {
	d, err := readDocument(text)
	if err != nil {
		s.stats.problem(at, err.Error())
		return
	}
	switch {
	case d.isEvent():
		s.event(at, &d, logged)
	case d.protoPayload != nil:
		s.stats.GKE++
	case len(d.message) > 0 && d.message[0] == '"':
		s.quoted(at, d.message, cloudWatchTime(d.timestamp))
	case len(d.log) > 0 && d.log[0] == '"':
		s.quoted(at, d.log, logged)
	case len(d.properties) > 0 && d.properties[0] == '{':
		// Of AKS. The log in it is cut at 16 KiB.
		inner, err := readDocument(d.properties)
		if err != nil || len(inner.log) == 0 || inner.log[0] != '"' {
			s.stats.Other++
			return
		}
		if recorded, ok := parseTime(d.azureTime); ok {
			logged = recorded
		}
		s.quoted(at, inner.log, logged)
	default:
		s.stats.Other++
	}
}

func (s *stream) quoted(at Position, text []byte, logged time.Time) {
	message, err := unquote(text)
	if err != nil {
		s.stats.problem(at, "a message is not a JSON string")
		return
	}
	s.message(at, bytes.TrimSpace([]byte(message)), logged)
}

// cloudWatchTime parses milliseconds since 1970.
func cloudWatchTime(text []byte) time.Time {
	milliseconds, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(milliseconds)
}

// broken salvages what a cut event has before its objects.
func (s *stream) broken(at Position, text []byte, logged time.Time, why error) {
	d, err := readDocument(text)
	if err == nil && d.isEvent() && (d.objectRef != nil || !d.isWrite()) {
		d.cut, d.requestObject, d.responseObject = true, nil, nil
		s.event(at, &d, logged)
		return
	}
	s.unreadable(at, why)
}

// unreadable reports a problem, unless it is the end of the stream, which is reported once.
func (s *stream) unreadable(at Position, why error) {
	if s.err == nil || !errors.Is(why, s.err) {
		s.stats.problem(at, why.Error())
	}
}

func (s *stream) event(at Position, d *document, logged time.Time) {
	when := d.time()
	if when.IsZero() {
		when = logged
	}
	if when.IsZero() {
		when = s.last
	}
	s.last = when
	write := d.isWrite()
	s.stats.event(when, write)
	if !write {
		return
	}
	e, err := d.event(s.needed, s.users)
	if err != nil {
		s.stats.problem(at, err.Error())
		return
	}
	e.Position, e.Completed = at, when
	if e.Received.IsZero() {
		e.Received = when
	}
	if e.Truncated {
		s.stats.Truncated++
	}
	if !s.emit(e) {
		s.stopped = true
	}
}
