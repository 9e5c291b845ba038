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
	// Document is where Object was read from; nil where Err is not.
	Document *Document
	// Path leads from the document to Object, as in items[0]; empty outside of Lists.
	Path string
}

// File is a file or standard input, as it was read or as it could not be.
type File struct {
	Name    string
	IsStdin bool
	Data    []byte
	// Err is not nil where there is no Data.
	Err error
}

// Items are those that Decode finds in the file.
func (f *File) Items() []Item {
	if f.Err != nil {
		return []Item{{Source: Source{File: f.Name}, Err: f.Err}}
	}
	return Decode(f.Data, f.Name)
}

// Read reads everything that the paths name, in their order; Stdin is standard input.
// What cannot be read is an Item too, so that the rest is still decided.
func Read(paths []string, stdin io.Reader) []Item {
	var items []Item
	for _, file := range Load(paths, stdin) {
		items = append(items, file.Items()...)
	}
	return items
}

// Load reads the files that the paths name, in their order; Stdin is standard input.
func Load(paths []string, stdin io.Reader) []File {
	var files []File
	for _, path := range paths {
		if path == Stdin {
			file := load(stdin, stdinName)
			file.IsStdin = true
			files = append(files, file)
			continue
		}
		names, err := document.Files(path)
		if err != nil {
			files = append(files, unreadable(path, err))
			continue
		}
		for _, name := range names {
			files = append(files, open(name))
		}
	}
	return files
}

func open(path string) File {
	file, err := os.Open(path)
	if err != nil {
		return unreadable(path, err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	return load(file, path)
}

func load(reader io.Reader, name string) File {
	data, err := io.ReadAll(io.LimitReader(reader, maxFile+1))
	if err != nil {
		return unreadable(name, err)
	}
	if len(data) > maxFile {
		return unreadable(name, fmt.Errorf("is larger than %d MiB", maxFile>>20))
	}
	return File{Name: name, Data: data}
}

// unreadable drops the path from an error of the file system, since File has it.
func unreadable(path string, err error) File {
	if pathErr := new(os.PathError); errors.As(err, &pathErr) {
		return File{Name: pathErr.Path, Err: pathErr.Err}
	}
	return File{Name: path, Err: err}
}
