package manifest

import (
	"bytes"
	"io"
	"os"
)

// maxInMemory is the number of bytes of standard input that are buffered in memory. Longer input
// goes to a temporary file.
const maxInMemory = 16 << 20

// spool is a copy of a stream that can be read repeatedly.
type spool struct {
	content io.ReaderAt
	size    int64
}

func (k *spool) reader() io.ReadCloser {
	return io.NopCloser(io.NewSectionReader(k.content, 0, k.size))
}

// newSpool copies a stream. A temporary file is unlinked before anything is written to it, so it
// disappears with the process and no other process can open it: the input may contain Secrets.
func newSpool(stream io.Reader) (*spool, error) {
	var head bytes.Buffer
	if _, err := io.CopyN(&head, stream, maxInMemory); err == io.EOF { //nolint:errorlint // CopyN returns io.EOF unwrapped
		return inMemory(&head), nil
	} else if err != nil {
		return nil, err
	}
	file, err := unnamedFile()
	if err != nil {
		// A container may have no writable folder. Fall back to memory.
		if _, err := io.Copy(&head, stream); err != nil {
			return nil, err
		}
		return inMemory(&head), nil
	}
	size, err := io.Copy(file, io.MultiReader(&head, stream))
	if err != nil {
		return nil, err
	}
	return &spool{file, size}, nil
}

func inMemory(content *bytes.Buffer) *spool {
	return &spool{bytes.NewReader(content.Bytes()), int64(content.Len())}
}

func unnamedFile() (*os.File, error) {
	file, err := os.CreateTemp("", "taffrail-")
	if err != nil {
		return nil, err
	}
	// If the system cannot remove an open file, it is left to the cleanup of the temporary folder.
	_ = os.Remove(file.Name())
	return file, nil
}
