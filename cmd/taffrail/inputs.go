package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"taffrail.dev/webhook/manifest"
	"taffrail.dev/webhook/manifest/ignore"
)

const foldersHelp = `--exclude and .taffrailignore files leave out files below folders, in the syntax of
.gitignore. An --exclude pattern with a slash is relative to the working directory or to
the folder that you name; a pattern in a file is relative to the folder of that file.
.taffrailignore files in parent folders apply too, up to the root of the repository. A
file that you name is always read. Everything else below a folder is read, including
hidden and linked folders, except .git and folders whose names start with two dots. Files
that patterns leave out are counted.`

// inputFlags are the flags of all commands that read manifests.
type inputFlags struct {
	files, exclude []string
}

func (f *inputFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.StringSliceVarP(&f.files, "filename", "f", nil, "file or folder to read, or - for standard input; same as an argument (repeatable)")
	flags.StringArrayVar(&f.exclude, "exclude", nil, "pattern of files to leave out of folders, in the syntax of .gitignore (repeatable)")
}

func (f *inputFlags) manifestOptions() manifest.Options { return manifest.Options{Exclude: f.exclude} }

// paths returns the paths to read: those of flags first, then the arguments.
func (f *inputFlags) paths(command *cobra.Command, args []string) ([]string, error) {
	paths := slices.Concat(f.files, args)
	for _, path := range paths {
		if err := checkPath(path, command.Name()); err != nil {
			return nil, &usageError{err}
		}
	}
	for _, pattern := range f.exclude {
		if _, err := ignore.Parse(pattern, "/"); err != nil {
			return nil, &usageError{fmt.Errorf("--exclude: %w", err)}
		}
	}
	if len(paths) > 0 {
		return paths, nil
	}
	if isInteractive(command.InOrStdin()) {
		return nil, &usageError{fmt.Errorf("nothing to %s: name files or folders, or pipe in manifests", command.Name())}
	}
	return []string{manifest.Stdin}, nil
}

// isInteractive reports whether nothing is piped in. Waiting silently for input from a terminal would
// look like a hang, and a CI job without piped input reads from the null device.
func isInteractive(in io.Reader) bool {
	file, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err != nil || info.Mode()&os.ModeCharDevice != 0
}

var (
	isURL = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*://`)
	// isRemote matches the notation of Git and ssh for a path on another host.
	isRemote = regexp.MustCompile(`^[\w.-]+@[\w.-]+:`)
)

// checkPath rejects arguments that name something other than a file.
func checkPath(path, command string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	pipe := "| taffrail " + command + " -"
	switch scheme, rest, _ := strings.Cut(path, "://"); {
	case path == "":
		return fmt.Errorf("the file name is empty: name files or folders, or - for standard input")
	case isRemote.MatchString(path):
		return fmt.Errorf("%s is on another host, but taffrail %s reads only files: clone it and name the folder", path, command)
	case !isURL.MatchString(path):
		return nil
	case scheme == "file":
		return fmt.Errorf("%s is a URL, but taffrail %s reads only files: write %s", path, command, strings.TrimPrefix(rest, "localhost"))
	case scheme == "http" || scheme == "https":
		return fmt.Errorf("%s is a URL, but taffrail %s reads only files: curl -fsSL %s %s", path, command, path, pipe)
	case scheme == "oci":
		return fmt.Errorf("%s is a URL, but taffrail %s reads only files: helm template %s %s", path, command, path, pipe)
	}
	return fmt.Errorf("%s is a URL, but taffrail %s reads only files: download it, or pipe it in, … %s", path, command, pipe)
}
