package manifest

import (
	"bufio"
	"errors"
	"io"
	"iter"
	"os"

	"taffrail.dev/webhook/manifest/ordered"
	"taffrail.dev/webhook/manifest/strict"
	"taffrail.dev/webhook/yamldoc"
)

// Input is the content of the paths on a command line. It is read document by document, and read
// again for each use: facts can come from anywhere in the input, and the input may be larger than
// memory.
type Input struct {
	files   []inputFile
	checker *strict.Checker
}

type inputFile struct {
	name string
	open func() (io.ReadCloser, error)
	err  error
	// walked is true for a file that was found in a folder rather than named.
	walked bool
}

// Open finds the files that the paths name, in order. Stdin stands for standard input, which is
// copied so that it can be read more than once.
func Open(paths []string, stdin io.Reader, o Options) *Input {
	input := &Input{checker: &strict.Checker{}}
	project := newProjectFiles()
	for _, path := range paths {
		if path == Stdin {
			input.files = append(input.files, spooledFile(stdin, stdinName))
			continue
		}
		for _, f := range find(path, o) {
			file := inputFileOf(f)
			file.walked = f.name != path
			if file.err == nil {
				project.addFolderOf(f.name)
			}
			input.files = append(input.files, file)
		}
	}
	for i := range input.files {
		if f := &input.files[i]; f.err == nil && f.name != stdinName {
			f.err = project.check(f.name, f.walked)
		}
	}
	return input
}

func inputFileOf(f found) inputFile {
	if f.err != nil {
		broken := unreadable(f.name, f.err)
		return inputFile{name: broken.Name, err: broken.Err}
	}
	open := func() (io.ReadCloser, error) { return os.Open(f.name) }
	// The pipe that a shell creates for <(…) can be read only once.
	if info, err := os.Stat(f.name); err == nil && !info.Mode().IsRegular() {
		file, err := open()
		if err != nil {
			return inputFile{name: f.name, err: unreadable(f.name, err).Err}
		}
		defer file.Close()
		return spooledFile(file, f.name)
	}
	return inputFile{name: f.name, open: open}
}

func spooledFile(stream io.Reader, name string) inputFile {
	copied, err := newSpool(stream)
	if err != nil {
		return inputFile{name: name, err: unreadable(name, err).Err}
	}
	return inputFile{name: name, open: func() (io.ReadCloser, error) { return copied.reader(), nil }}
}

// Items yields the objects of the input, in order. Input that cannot be read yields an Item with
// an error, so that the rest is still evaluated.
func (in *Input) Items() iter.Seq[Item] {
	return flat(ordered.Map(in.texts(), text.items))
}

// Facts gathers the facts of the whole input. It skips what cannot be read; Items reports the
// error.
func (in *Input) Facts(defaultNamespace string) *Facts {
	candidates := func(yield func(text) bool) {
		for t := range in.texts() {
			if t.err == nil && mayHoldFact(t.chunk.Data) && !yield(t) {
				return
			}
		}
	}
	return FactsOf(flat(ordered.Map(candidates, text.items)), defaultNamespace)
}

// text is one document that is not parsed yet, or an error.
type text struct {
	file  string
	chunk yamldoc.Chunk
	err   error

	walked  bool
	checker *strict.Checker
}

func (t text) items() []Item {
	if t.err != nil {
		return []Item{{Source: Source{File: t.file, Line: t.chunk.Line}, Err: t.err, Walked: t.walked}}
	}
	items := decodeChunk(t.chunk, t.file, t.checker)
	for i := range items {
		items[i].Walked = t.walked
	}
	return items
}

// texts yields the documents of all files.
func (in *Input) texts() iter.Seq[text] {
	return func(yield func(text) bool) {
		for i := range in.files {
			f := &in.files[i]
			if !f.each(func(t text) bool {
				t.walked, t.checker = f.walked, in.checker
				return yield(t)
			}) {
				return
			}
		}
	}
}

// each yields the documents of a file. It returns false if yield did.
func (f *inputFile) each(yield func(text) bool) bool {
	broken := func(err error, line int) bool {
		return yield(text{file: f.name, err: unreadable(f.name, err).Err, chunk: yamldoc.Chunk{Line: line}})
	}
	if f.err != nil {
		return broken(f.err, 0)
	}
	file, err := f.open()
	if err != nil {
		return broken(err, 0)
	}
	defer file.Close()
	reader := bufio.NewReaderSize(file, sniffLen)
	head, err := reader.Peek(sniffLen)
	if err != nil && !errors.Is(err, io.EOF) {
		return broken(err, 0)
	}
	if err := checkText(head); err != nil {
		return broken(err, 0)
	}
	for chunk, err := range yamldoc.Scan(reader, maxFile) {
		if err != nil {
			return broken(err, chunk.Line)
		}
		if !yield(text{file: f.name, chunk: chunk}) {
			return false
		}
	}
	return true
}

func flat[T any](lists iter.Seq[[]T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		for list := range lists {
			for _, one := range list {
				if !yield(one) {
					return
				}
			}
		}
	}
}
