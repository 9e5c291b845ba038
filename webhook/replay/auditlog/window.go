package auditlog

import (
	"bytes"
	"errors"
	"io"
)

const (
	// firstWindow is the number of bytes that are read at a time.
	firstWindow = 256 << 10
	// maxValue is the maximum length of an event. Requests have at most 3 MiB, and an event contains the object up
	// to twice; only the response to a deletion of many objects is longer.
	maxValue = 8 << 20
)

// window is the part of a stream that is in memory.
type window struct {
	reader io.Reader
	buffer []byte
	// The bytes from start to stop have not been consumed.
	start, stop int
	line        int64
	// err ends the stream. It is io.EOF at the end.
	err error
}

func newWindow(reader io.Reader) *window {
	return &window{reader: reader, buffer: make([]byte, firstWindow), line: 1}
}

func (w *window) rest() []byte { return w.buffer[w.start:w.stop] }

// fill reads more. It returns false at the end of the stream, or if maxValue bytes are waiting.
func (w *window) fill() bool {
	if w.err != nil {
		return false
	}
	switch {
	case w.start > 0:
		copy(w.buffer, w.buffer[w.start:w.stop])
		w.start, w.stop = 0, w.stop-w.start
	case w.stop < len(w.buffer):
	case len(w.buffer) >= maxValue:
		return false
	default:
		grown := make([]byte, min(2*len(w.buffer), maxValue))
		copy(grown, w.buffer[:w.stop])
		w.buffer = grown
	}
	for range 100 {
		n, err := w.reader.Read(w.buffer[w.stop:])
		w.stop += n
		w.err = err
		if n > 0 || err != nil {
			return n > 0
		}
	}
	w.err = io.ErrNoProgress
	return false
}

// skip consumes bytes.
func (w *window) skip(n int) {
	w.line += int64(bytes.Count(w.buffer[w.start:w.start+n], []byte{'\n'}))
	w.start += n
}

// end is what peek returns at the end of the stream.
const end = -1

// peek returns the next byte that is not white space, without consuming it.
func (w *window) peek() int {
	for {
		if at := blank(w.rest(), 0); at < len(w.rest()) {
			w.skip(at)
			return int(w.rest()[0])
		}
		w.skip(len(w.rest()))
		if !w.fill() {
			return end
		}
	}
}

// ahead returns the next bytes, up to n of them.
func (w *window) ahead(n int) []byte {
	for more := true; more && len(w.rest()) < n; {
		more = w.fill()
	}
	return w.rest()[:min(n, len(w.rest()))]
}

// value returns the value that begins at the next byte, without consuming it. If it is cut or too long, value
// returns what is in memory of it, and the error.
func (w *window) value(oneLine bool) ([]byte, error) {
	x := extent{oneLine: oneLine}
	if c := w.rest()[0]; c != '{' && c != '[' && c != '"' {
		return w.word()
	}
	done := 0
	for {
		length, ended, err := x.next(w.rest()[done:])
		done += length
		if ended || err != nil {
			return w.rest()[:done], err
		}
		if !w.fill() {
			return w.rest()[:done], w.endError(errTooLong)
		}
	}
}

// endError returns why fill has returned false: the end of the stream, or otherwise.
func (w *window) endError(otherwise error) error {
	switch {
	case errors.Is(w.err, io.EOF):
		return errCut
	case w.err != nil:
		return w.err
	}
	return otherwise
}

// word returns a number, true, false or null.
func (w *window) word() ([]byte, error) {
	for {
		end, err := valueEnd(w.rest(), 0)
		if err == nil {
			return w.rest()[:end], nil
		}
		if !errors.Is(err, errCut) || !w.fill() {
			return w.rest()[:end], errSyntax
		}
	}
}

// textLine returns the rest of the line, without consuming it. If it is too long, textLine returns its beginning and
// errTooLong.
func (w *window) textLine() ([]byte, error) {
	searched := 0
	for {
		if at := bytes.IndexByte(w.rest()[searched:], '\n'); at >= 0 {
			return w.rest()[:searched+at], nil
		}
		searched = len(w.rest())
		if !w.fill() {
			if w.err == nil {
				return w.rest(), errTooLong
			}
			return w.rest(), nil
		}
	}
}

// skipLine consumes the rest of the line, however long it is.
func (w *window) skipLine() {
	for {
		if at := bytes.IndexByte(w.rest(), '\n'); at >= 0 {
			w.skip(at + 1)
			return
		}
		w.skip(len(w.rest()))
		if !w.fill() {
			return
		}
	}
}
