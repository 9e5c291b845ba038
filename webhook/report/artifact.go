package report

import (
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"taffrail.dev/webhook/manifest/repository"
)

// stdinFile is the file of a Source that is standard input.
const stdinFile = "<stdin>"

// artifact is how CI systems know a file: by its path in the repository or, outside of one,
// as it was named, with forward slashes and no "./" in front. Standard input has a name
// that is good in a URI.
func artifact(repo *repository.Finder, file string) string {
	if file == stdinFile {
		return "stdin"
	}
	if path, ok := repo.Relative(file); ok {
		return path
	}
	return path.Clean(filepath.ToSlash(file))
}

// artifactURI is a file as a URI; base is true where it is relative to the root of the
// repository or, outside of one, to the folder that the check was run in, and in it.
func artifactURI(repo *repository.Finder, file string) (uri string, base bool) {
	name := artifact(repo, file)
	if filepath.IsAbs(name) {
		return "file://" + (&url.URL{Path: "/" + strings.TrimPrefix(name, "/")}).EscapedPath(), false
	}
	// Before the first slash, a colon would end a scheme.
	uri = strings.ReplaceAll((&url.URL{Path: name}).EscapedPath(), ":", "%3A")
	return uri, file != stdinFile && name != ".." && !strings.HasPrefix(name, "../")
}
