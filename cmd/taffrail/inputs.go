package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"taffrail.dev/webhook/manifest"
	"taffrail.dev/webhook/manifest/ignore"
)

const foldersHelp = `--exclude and files named .taffrailignore leave files out of folders, in the syntax of
.gitignore. A pattern of --exclude with a slash is relative to the working folder or to
the folder named, one in a file to the folder of the file; files in the folders above
hold too, up to the root of the repository. A file that is named itself is always read.
Everything else below a folder is read, hidden folders and linked ones included, except
for .git and folders whose names begin with two dots. What patterns leave out is counted.`

// inputFlags are the flags of all commands that read manifests.
type inputFlags struct {
	files, exclude []string
}

func (f *inputFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.StringSliceVarP(&f.files, "filename", "f", nil, "file or folder to read, or - for standard input; the same as an argument (repeatable)")
	flags.StringArrayVar(&f.exclude, "exclude", nil, "leave out of folders what matches, in the syntax of .gitignore (repeatable)")
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
	// Waiting silently for input from a terminal would look like a hang, and a CI job without piped
	// input reads from the null device.
	if file, ok := command.InOrStdin().(*os.File); ok {
		if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice != 0 {
			return nil, &usageError{fmt.Errorf("nothing to %s: name files or folders, or pipe manifests in", command.Name())}
		}
	}
	return []string{manifest.Stdin}, nil
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
		return fmt.Errorf("an empty name of a file: name files or folders, or - for standard input")
	case isRemote.MatchString(path):
		return fmt.Errorf("%s is on another host, and taffrail %s reads files only: clone it and name the folder", path, command)
	case !isURL.MatchString(path):
		return nil
	case scheme == "file":
		return fmt.Errorf("%s is a URL, and taffrail %s reads files only: name it as %s", path, command, strings.TrimPrefix(rest, "localhost"))
	case scheme == "http" || scheme == "https":
		return fmt.Errorf("%s is a URL, and taffrail %s reads files only: curl -fsSL %s %s", path, command, path, pipe)
	case scheme == "oci":
		return fmt.Errorf("%s is a URL, and taffrail %s reads files only: helm template %s %s", path, command, path, pipe)
	}
	return fmt.Errorf("%s is a URL, and taffrail %s reads files only: download it, or pipe it in, … %s", path, command, pipe)
}
