package report

import (
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"taffrail.dev/webhook/manifest/repository"
)

// stdinFile is the name of standard input in a Source.
const stdinFile = "<stdin>"

// artifact returns the name by which CI systems know a file: its path in the repository or,
// outside of one, the path as given, with forward slashes and without "./". Standard input gets a
// name that is valid in a URI.
func artifact(repo *repository.Finder, file string) string {
	if file == stdinFile {
		return "stdin"
	}
	if path, ok := repo.Relative(file); ok {
		return path
	}
	return path.Clean(filepath.ToSlash(file))
}

// artifactURI returns a file as a URI. base is true if the URI is relative to the root of the
// repository or, outside of one, to the working folder, and does not leave it.
func artifactURI(repo *repository.Finder, file string) (uri string, base bool) {
	name := artifact(repo, file)
	if filepath.IsAbs(name) {
		return "file://" + (&url.URL{Path: "/" + strings.TrimPrefix(name, "/")}).EscapedPath(), false
	}
	// A colon before the first slash would terminate a scheme.
	uri = strings.ReplaceAll((&url.URL{Path: name}).EscapedPath(), ":", "%3A")
	return uri, file != stdinFile && name != ".." && !strings.HasPrefix(name, "../")
}
