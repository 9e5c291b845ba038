package yamldoc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
)

// TooLargeError is returned by Scan for a document that exceeds the limit.
type TooLargeError struct{ Limit int }

func (e *TooLargeError) Error() string { return fmt.Sprintf("is larger than %d MiB", e.Limit>>20) }

// Scan yields the chunks that Split would return, one by one as they are read, so that memory use
// depends only on the largest document. After an error it stops; the error is a *TooLargeError or
// that of the reader.
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
	// chunk is the part of the current document that was read.
	chunk Chunk
	line  []byte
}

// readLine returns a line including its line break. The line is valid until the next call.
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

// emit yields the current document and starts the next one on nextLine.
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
