package render

import (
	"net/url"
	"path"
	"path/filepath"
	"strings"
)

// stdinFile is the file of a Source that is standard input.
const stdinFile = "<stdin>"

// artifact is how CI systems know a file: with forward slashes, and no "./" in front.
// Standard input has a name that is good in a URI.
func artifact(file string) string {
	if file == stdinFile {
		return "stdin"
	}
	return path.Clean(filepath.ToSlash(file))
}

// artifactURI is a file as a URI; base is true where it is relative to the folder that
// the check was run in, and lies in it.
func artifactURI(file string) (uri string, base bool) {
	name := artifact(file)
	if filepath.IsAbs(file) {
		return "file://" + (&url.URL{Path: "/" + strings.TrimPrefix(name, "/")}).EscapedPath(), false
	}
	// Before the first slash, a colon would end a scheme.
	uri = strings.ReplaceAll((&url.URL{Path: name}).EscapedPath(), ":", "%3A")
	return uri, file != stdinFile && name != ".." && !strings.HasPrefix(name, "../")
}
