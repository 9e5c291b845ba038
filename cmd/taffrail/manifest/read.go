package manifest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"taffrail.dev/webhook/config/document"
)

const (
	// Stdin is the path that stands for standard input.
	Stdin = "-"
	// stdinName is how a Source names standard input.
	stdinName = "<stdin>"
	// maxFile bounds a file or standard input, in bytes. A List of a whole cluster fits.
	maxFile = 256 << 20
)

// Source is where an object stands.
type Source struct {
	File string `json:"file"`
	// Line counts from 1; 0 where what is meant is the file itself.
	Line int `json:"line"`
}

func (s Source) String() string {
	if s.Line == 0 {
		return s.File
	}
	return s.File + ":" + strconv.Itoa(s.Line)
}

// Item is one object, or why what stands at Source is none. Exactly one of Object and
// Err is not nil. Err never quotes the document, which may be a Secret.
type Item struct {
	Source Source
	Object map[string]any
	Err    error
}

// Read reads everything that the paths name, in their order; Stdin is standard input.
// What cannot be read is an Item too, so that the rest is still decided.
func Read(paths []string, stdin io.Reader) []Item {
	var items []Item
	for _, path := range paths {
		if path == Stdin {
			items = append(items, readFrom(stdin, stdinName)...)
			continue
		}
		files, err := document.Files(path)
		if err != nil {
			items = append(items, unreadable(path, err))
			continue
		}
		for _, file := range files {
			items = append(items, readFile(file)...)
		}
	}
	return items
}

func readFile(path string) []Item {
	file, err := os.Open(path)
	if err != nil {
		return []Item{unreadable(path, err)}
	}
	defer file.Close() //nolint:errcheck // it was only read
	return readFrom(file, path)
}

func readFrom(reader io.Reader, name string) []Item {
	data, err := io.ReadAll(io.LimitReader(reader, maxFile+1))
	if err != nil {
		return []Item{unreadable(name, err)}
	}
	if len(data) > maxFile {
		return []Item{unreadable(name, fmt.Errorf("is larger than %d MiB", maxFile>>20))}
	}
	return Decode(data, name)
}

// unreadable drops the path from an error of the file system, since Source has it.
func unreadable(path string, err error) Item {
	if pathErr := new(os.PathError); errors.As(err, &pathErr) {
		return Item{Source: Source{File: pathErr.Path}, Err: pathErr.Err}
	}
	return Item{Source: Source{File: path}, Err: err}
}
