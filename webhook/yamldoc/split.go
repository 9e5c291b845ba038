package yamldoc

import (
	"bytes"
	"encoding/json"
)

// Chunk is the text of one document and its position in the file.
type Chunk struct {
	// Line starts at 1.
	Line int
	// Start is the offset in bytes.
	Start int
	Data  []byte
}

// Split splits a stream into documents before any of them is parsed, so that an invalid document
// does not affect the others. No line is lost: a chunk may be without content, and then Parse
// returns an empty document.
//
// A document starts at "---" in the first column, which YAML reserves for this purpose even
// inside a block scalar, or at the next value in a stream of JSON values.
func Split(data []byte) []Chunk {
	var chunks []Chunk
	start, startLine, line := 0, 1, 1
	var ends boundaries
	cut := func(end, nextLine int) {
		if end > start {
			chunks = append(chunks, splitJSON(Chunk{Line: startLine, Start: start, Data: data[start:end]})...)
		}
		start, startLine = end, nextLine
	}
	for at := 0; at < len(data); line++ {
		next := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		above, with := ends.next(data[at:next])
		if above {
			cut(at, line)
		}
		if with {
			cut(next, line+1)
		}
		at = next
	}
	cut(len(data), line)
	return chunks
}

// boundaries finds the ends of documents, line by line.
type boundaries struct {
	// content is true once the document contains more than a preamble.
	content bool
}

// next reports whether a document ends above the line or after it.
func (b *boundaries) next(line []byte) (above, with bool) {
	switch {
	case isMarker(line, "---"):
		// Comments and %YAML directives above the marker belong to the document that starts here.
		above, b.content = b.content, true
	case isMarker(line, "..."):
		with, b.content = true, false
	case !isPreamble(line):
		b.content = true
	}
	return above, with
}

// isMarker reports whether the line is the marker, alone or followed by white space.
func isMarker(line []byte, marker string) bool {
	// Concatenating files leaves a byte order mark in the middle of the stream.
	rest, found := bytes.CutPrefix(bytes.TrimPrefix(line, []byte("\ufeff")), []byte(marker))
	return found && (len(rest) == 0 || bytes.IndexByte([]byte(" \t\r\n"), rest[0]) >= 0)
}

// isPreamble reports whether a line may precede the document it belongs to.
func isPreamble(line []byte) bool {
	line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("\ufeff")))
	return len(line) == 0 || line[0] == '#' || line[0] == '%'
}

// splitJSON splits a stream of JSON values, such as the output of jq. YAML has no such streams.
func splitJSON(chunk Chunk) []Chunk {
	if text := bytes.TrimSpace(chunk.Data); len(text) == 0 || text[0] != '{' {
		return []Chunk{chunk}
	}
	var chunks []Chunk
	decoder := json.NewDecoder(bytes.NewReader(chunk.Data))
	start, line := 0, chunk.Line
	for {
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			break
		}
		end := int(decoder.InputOffset())
		chunks = append(chunks, Chunk{Line: line, Start: chunk.Start + start, Data: chunk.Data[start:end]})
		line += bytes.Count(chunk.Data[start:end], []byte("\n"))
		start = end
	}
	if len(chunks) < 2 {
		return []Chunk{chunk}
	}
	if rest := chunk.Data[start:]; len(bytes.TrimSpace(rest)) > 0 {
		chunks = append(chunks, Chunk{Line: line, Start: chunk.Start + start, Data: rest})
	}
	return chunks
}
