package auditlog

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Stdin is the path that stands for standard input.
const Stdin = "-"

// ErrNoFiles is returned for a folder without files: a mistyped path must not look like an empty log.
var ErrNoFiles = errors.New("the folder contains no files")

// Find returns the files that paths name, sorted within each folder. Hidden files and folders are left out, and so are
// the files by which CloudWatch tries whether it may write to a bucket.
func Find(paths []string) ([]string, error) {
	var all []string
	for _, path := range paths {
		if path == Stdin {
			all = append(all, path)
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			all = append(all, path)
			continue
		}
		found, err := below(path)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: %w", path, ErrNoFiles)
		}
		all = append(all, found...)
	}
	return all, nil
}

func below(folder string) (found []string, err error) {
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != folder && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.Name() == "aws-logs-write-test":
			return nil
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			found = append(found, path)
		}
		return nil
	})
	slices.Sort(found)
	return found, err
}

// maxLayers is how often a file may be compressed: once by its writer, once in transport, and once on disk.
const maxLayers = 3

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// decompress returns the content of a stream that may be compressed, several times.
func decompress(reader io.Reader) (io.Reader, func(), error) {
	closing := func() {}
	for range maxLayers {
		buffered := bufio.NewReader(reader)
		magic, err := buffered.Peek(len(zstdMagic))
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, closing, err
		}
		switch {
		case len(magic) >= 2 && slices.Equal(magic[:2], gzipMagic):
			if reader, err = gzip.NewReader(buffered); err != nil {
				return nil, closing, err
			}
		case slices.Equal(magic, zstdMagic):
			decoder, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
			if err != nil {
				return nil, closing, err
			}
			before := closing
			closing = func() { decoder.Close(); before() }
			reader = decoder
		default:
			return buffered, closing, nil
		}
	}
	return reader, closing, nil
}

// maxZstdWindow is the window up to which every decoder is required to read (RFC 8878).
const maxZstdWindow = 8 << 20

// counting counts the bytes that are read.
type counting struct {
	reader io.Reader
	count  *int64
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.reader.Read(p)
	*c.count += int64(n)
	return n, err
}
