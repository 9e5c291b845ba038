package manifest

import (
	"errors"
	"io"
	"os"
	"strconv"

	"taffrail.dev/webhook/yamldoc"
)

const (
	// Stdin is the path that stands for standard input.
	Stdin = "-"
	// stdinName is how a Source names standard input.
	stdinName = "<stdin>"
	// maxFile bounds a file that is read as a whole, and one document, in bytes. A List of
	// a whole cluster fits.
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
	// Document is where Object was read from, nil if Err is not. The objects of a List share it.
	Document *yamldoc.Document
	// Path leads from the document to Object, as in items[0]; empty outside of Lists.
	Path string
	// Warnings are about fields that have no effect.
	Warnings []Fault
	// Walked is true for what was found in a folder, and not named.
	Walked bool
}

// Skipped reports whether the item is no object, and nobody meant it for one.
func (i *Item) Skipped() bool {
	_, ok := errors.AsType[*NotObjectError](i.Err)
	return ok && i.Walked || i.IsBlank()
}

// IsBlank reports whether the item has nothing in it.
func (i *Item) IsBlank() bool {
	reason, ok := errors.AsType[*NotObjectError](i.Err)
	return ok && reason.Sort == Blank
}

// File is a file or standard input, as it was read or as it could not be.
type File struct {
	Name    string
	IsStdin bool
	Data    []byte
	// Err is not nil where there is no Data.
	Err error
	// Walked is true for a file that was found in a folder, and not named.
	Walked bool
	// NotObject says what the file is for its neighbours; nil if it may hold objects.
	NotObject *NotObjectError
}

// Items are those that Decode finds in the file.
func (f *File) Items() []Item {
	if f.Err != nil {
		return []Item{{Source: Source{File: f.Name}, Err: f.Err}}
	}
	if f.NotObject != nil {
		return []Item{{Source: Source{File: f.Name, Line: 1}, Err: f.NotObject, Walked: f.Walked}}
	}
	items := Decode(f.Data, f.Name)
	for i := range items {
		items[i].Walked = f.Walked
	}
	return items
}

// Load reads the files that the paths name, in their order and as a whole; Stdin is
// standard input.
func Load(paths []string, stdin io.Reader, o Options) []File {
	var files []File
	around := newNeighbours()
	for _, path := range paths {
		if path == Stdin {
			file := load(stdin, stdinName)
			file.IsStdin = true
			files = append(files, file)
			continue
		}
		for _, f := range find(path, o) {
			if reason, ok := errors.AsType[*NotObjectError](f.err); ok {
				files = append(files, File{Name: f.name, Walked: true, NotObject: reason})
				continue
			}
			if f.err != nil {
				files = append(files, unreadable(f.name, f.err))
				continue
			}
			file := open(f.name)
			file.Walked = f.name != path
			around.look(f.name)
			files = append(files, file)
		}
	}
	for i := range files {
		if f := &files[i]; f.Err == nil && f.NotObject == nil && !f.IsStdin {
			f.NotObject = around.sortOf(f.Name, f.Walked)
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
		return unreadable(name, &yamldoc.TooLargeError{Limit: maxFile})
	}
	if err := checkText(data[:min(len(data), sniffed)]); err != nil {
		return unreadable(name, err)
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
