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
	// stdinName is the name of standard input in a Source.
	stdinName = "<stdin>"
	// maxFile limits the size of a file that is read as a whole, and of a single document, in
	// bytes. A List of all objects of a cluster fits.
	maxFile = 256 << 20
)

// Source is the position of an object.
type Source struct {
	File string `json:"file"`
	// Line starts at 1. It is 0 if the Source is the file as a whole.
	Line int `json:"line"`
}

func (s Source) String() string {
	if s.Line == 0 {
		return s.File
	}
	return s.File + ":" + strconv.Itoa(s.Line)
}

// Item is one object, or an error for the text at Source. Exactly one of Object and Err is set.
// Err never quotes the document, which may be a Secret.
type Item struct {
	Source Source
	Object map[string]any
	Err    error
	// Document is the document that contains Object. It is nil if Err is set. The objects of a List
	// share it.
	Document *yamldoc.Document
	// Path is the path of Object in the document, as in items[0]. It is empty outside of Lists.
	Path string
	// Warnings are about fields that have no effect.
	Warnings []Fault
	// Walked is true if the file was found in a folder rather than named.
	Walked bool
}

// Skipped reports whether the item is not an object and was not meant to be one.
func (i *Item) Skipped() bool {
	_, ok := errors.AsType[*NotObjectError](i.Err)
	return ok && i.Walked || i.IsBlank()
}

// IsBlank reports whether the item is a document without content.
func (i *Item) IsBlank() bool {
	reason, ok := errors.AsType[*NotObjectError](i.Err)
	return ok && reason.Category == Blank
}

// File is a file or standard input, or the error from reading it.
type File struct {
	Name    string
	IsStdin bool
	Data    []byte
	// Err is set if Data could not be read.
	Err error
	// Walked is true if the file was found in a folder rather than named.
	Walked bool
	// NotObject explains why the file does not hold objects, according to the files around it. It
	// is nil if it may.
	NotObject *NotObjectError
}

// Items returns the items that Decode finds in the file.
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

// Load reads the files that the paths name, in order and as a whole. Stdin stands for standard
// input.
func Load(paths []string, stdin io.Reader, o Options) []File {
	var files []File
	project := newProjectFiles()
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
			project.addFolderOf(f.name)
			files = append(files, file)
		}
	}
	for i := range files {
		if f := &files[i]; f.Err == nil && f.NotObject == nil && !f.IsStdin {
			f.NotObject = project.categorize(f.Name, f.Walked)
		}
	}
	return files
}

func open(path string) File {
	file, err := os.Open(path)
	if err != nil {
		return unreadable(path, err)
	}
	defer file.Close() //nolint:errcheck // opened for reading only
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
	if err := checkText(data[:min(len(data), sniffLen)]); err != nil {
		return unreadable(name, err)
	}
	return File{Name: name, Data: data}
}

// unreadable returns a File with the error. It removes the path from an os.PathError, since File
// has it.
func unreadable(path string, err error) File {
	if pathErr := new(os.PathError); errors.As(err, &pathErr) {
		return File{Name: pathErr.Path, Err: pathErr.Err}
	}
	return File{Name: path, Err: err}
}
