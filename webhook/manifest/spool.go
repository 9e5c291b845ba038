package manifest

import (
	"bytes"
	"io"
	"os"
)

// maxKept is how much of standard input is kept in memory, in bytes. What is longer goes
// to a temporary file.
const maxKept = 16 << 20

// kept is a copy of a stream that can be read again.
type kept struct {
	content io.ReaderAt
	size    int64
}

func (k *kept) reader() io.ReadCloser {
	return io.NopCloser(io.NewSectionReader(k.content, 0, k.size))
}

// keep copies a stream. Its file has no name by the time that it holds anything, so it is
// gone with the process, and nobody else reads what may be Secrets.
func keep(stream io.Reader) (*kept, error) {
	var head bytes.Buffer
	if _, err := io.CopyN(&head, stream, maxKept); err == io.EOF { //nolint:errorlint // CopyN returns it as it is
		return inMemory(&head), nil
	} else if err != nil {
		return nil, err
	}
	file, err := unnamedFile()
	if err != nil {
		// A container may have no folder to write to. Then memory has to do.
		if _, err := io.Copy(&head, stream); err != nil {
			return nil, err
		}
		return inMemory(&head), nil
	}
	size, err := io.Copy(file, io.MultiReader(&head, stream))
	if err != nil {
		return nil, err
	}
	return &kept{file, size}, nil
}

func inMemory(content *bytes.Buffer) *kept {
	return &kept{bytes.NewReader(content.Bytes()), int64(content.Len())}
}

func unnamedFile() (*os.File, error) {
	file, err := os.CreateTemp("", "taffrail-")
	if err != nil {
		return nil, err
	}
	// Where a file that is open cannot be removed, the system's own cleaning has to do it.
	_ = os.Remove(file.Name())
	return file, nil
}
