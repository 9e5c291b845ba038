package yamldoc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
)

// TooLargeError is returned for a document that is larger than Scan may hold.
type TooLargeError struct{ Limit int }

func (e *TooLargeError) Error() string { return fmt.Sprintf("is larger than %d MiB", e.Limit>>20) }

// Scan yields the chunks that Split returns, one by one as they are read, so that a
// stream of any length takes the memory of its largest document. After an error, a
// *TooLargeError or the reader's, it yields nothing more.
func Scan(reader io.Reader, limit int) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		s := scanner{lines: bufio.NewReaderSize(reader, 64<<10), limit: limit, chunk: Chunk{Line: 1}}
		for line := 1; ; line++ {
			text, err := s.readLine()
			above, with := s.ends.next(text)
			if above && !s.emit(line, yield) {
				return
			}
			s.chunk.Data = append(s.chunk.Data, text...)
			if with && !s.emit(line+1, yield) {
				return
			}
			if errors.Is(err, io.EOF) {
				s.emit(line, yield)
				return
			}
			if err != nil {
				yield(Chunk{Line: s.chunk.Line}, err)
				return
			}
		}
	}
}

type scanner struct {
	lines *bufio.Reader
	limit int
	ends  boundaries
	// chunk is what was read of the current document.
	chunk Chunk
	line  []byte
}

// readLine returns a line with its end, which is valid until the next call.
func (s *scanner) readLine() ([]byte, error) {
	s.line = s.line[:0]
	for {
		part, err := s.lines.ReadSlice('\n')
		s.line = append(s.line, part...)
		if len(s.chunk.Data)+len(s.line) > s.limit {
			return nil, &TooLargeError{s.limit}
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return s.line, err
		}
	}
}

// emit yields the current document, and begins another on nextLine.
func (s *scanner) emit(nextLine int, yield func(Chunk, error) bool) bool {
	chunk := s.chunk
	s.chunk = Chunk{Line: nextLine, Start: chunk.Start + len(chunk.Data)}
	if len(chunk.Data) == 0 {
		return true
	}
	for _, one := range splitJSON(chunk) {
		if !yield(one, nil) {
			return false
		}
	}
	return true
}
