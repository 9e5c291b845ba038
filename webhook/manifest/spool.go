package manifest

import (
	"bytes"
	"io"
	"os"
)

// maxInMemory is the number of bytes of standard input that are buffered in memory. Longer input
// goes to a temporary file.
const maxKept = 16 << 20

// spool is a copy of a stream that can be read repeatedly.
type kept struct {
	content io.ReaderAt
	size    int64
}

func (k *kept) reader() io.ReadCloser {
	return io.NopCloser(io.NewSectionReader(k.content, 0, k.size))
}

// newSpool copies a stream. A temporary file is unlinked before anything is written to it, so it
// disappears with the process and no other process can open it: the input may contain Secrets.
func keep(stream io.Reader) (*kept, error) {
	var head bytes.Buffer
	if _, err := io.CopyN(&head, stream, maxKept); err == io.EOF { //nolint:errorlint // CopyN returns it as it is
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
	// If the system cannot remove an open file, it is left to the cleanup of the temporary folder.
	_ = os.Remove(file.Name())
	return file, nil
}
