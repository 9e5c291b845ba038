package manifest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"taffrail.dev/webhook/manifest/ignore"
	"taffrail.dev/webhook/yamldoc"
)

// Options configures Open and Load.
type Options struct {
	// Exclude lists patterns of files and folders to exclude, in the syntax of package ignore. A
	// pattern with a slash is relative to the working folder or to the folder that was named.
	Exclude []string
}

var errNoManifests = errors.New("contains no *.yaml, *.yml or *.json")

// found is a file, or the error for a path that cannot be read or is excluded.
type found struct {
	name string
	err  error
}

// find returns the file itself, or every *.yaml, *.yml and *.json below a folder that is not
// excluded, sorted. A folder without any is an error: a mistyped path must not look like a clean
// one.
func find(path string, o Options) []found {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return []found{{path, err}}
	case !info.IsDir():
		return []found{{path, nil}}
	}
	w, err := newWalker(path, o)
	if err != nil {
		return []found{{path, err}}
	}
	w.walk(path, w.root)
	switch {
	case len(w.found) > 0:
		return append(w.found, w.excluded...)
	case len(w.excluded) > 0:
		return []found{{path, errors.New(errNoManifests.Error() + " that is not left out by --exclude or " + ignoreFile)}}
	}
	return []found{{path, errNoManifests}}
}

// walker finds the files below a folder.
type walker struct {
	// root is the folder with symbolic links resolved. seen contains the resolved folders that were
	// read.
	root string
	seen map[string]bool
	// rules are the patterns of ignore files; those of inner folders take precedence. flags take
	// precedence over all of them.
	rules, flags ignore.Patterns
	found        []found
	excluded     []found
}

func newWalker(path string, o Options) (*walker, error) {
	root, err := realPath(path)
	if err != nil {
		return nil, err
	}
	w := &walker{root: root, seen: map[string]bool{}}
	w.flags, err = excludePatterns(path, o.Exclude)
	if err != nil {
		return nil, err
	}
	w.rules, err = outerRules(path)
	return w, err
}

// realPath returns an absolute path with symbolic links resolved.
func realPath(path string) (string, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// walk reads a folder. target is the path with symbolic links resolved.
func (w *walker) walk(path, target string) {
	if w.seen[target] {
		return
	}
	w.seen[target] = true
	entries, err := os.ReadDir(path)
	if err != nil {
		w.found = append(w.found, found{path, err})
		return
	}
	outer := w.rules
	defer func() { w.rules = outer }()
	if w.rules, err = withRulesOf(path, outer); err != nil {
		w.found = append(w.found, found{filepath.Join(path, ignoreFile), err})
		return
	}
	for _, entry := range entries {
		w.entry(filepath.Join(path, entry.Name()), filepath.Join(target, entry.Name()), entry)
	}
}

func (w *walker) entry(path, target string, entry fs.DirEntry) {
	mode := entry.Type()
	if mode&fs.ModeSymlink != 0 {
		info, err := os.Stat(path)
		if err == nil {
			mode = info.Mode().Type()
		}
		if err == nil && mode.IsDir() {
			if target, err = realPath(path); err != nil || !w.followsLink(target) {
				return
			}
		}
	}
	switch {
	case mode.IsDir() && isInternal(entry.Name()):
	case mode.IsDir():
		if !w.isExcluded(path, true) {
			w.walk(path, target)
		}
	// Opening a pipe would block. A dangling link results in an error when it is opened.
	case yamldoc.IsManifestName(path) && (mode.IsRegular() || mode&fs.ModeSymlink != 0):
		if !w.isExcluded(path, false) {
			w.found = append(w.found, found{path, nil})
		}
	}
}

// followsLink reports whether the target of a link to a folder is read through the link. A target
// inside the root is read at its own place unless it is internal, and a target that contains the
// root would never end.
func (w *walker) followsLink(target string) bool {
	if !isBelow(target, w.root) {
		return !isBelow(w.root, target)
	}
	inside, err := filepath.Rel(w.root, target)
	return err == nil && slices.ContainsFunc(strings.Split(inside, string(filepath.Separator)), isInternal)
}

func isBelow(path, folder string) bool {
	relative, err := filepath.Rel(folder, path)
	return err == nil && relative != ".." && !strings.HasPrefix(relative, ".."+string(filepath.Separator))
}

// isInternal reports whether a folder belongs to a tool: .git, in which a branch may be named
// like a manifest, and the folders that the kubelet creates next to the files of a ConfigMap.
func isInternal(name string) bool { return name == ".git" || strings.HasPrefix(name, "..") }

func (w *walker) isExcluded(path string, isDir bool) bool {
	name, err := absolute(path)
	if err != nil {
		return false
	}
	rules := slices.Concat(w.rules, w.flags)
	if !rules.Match(name, isDir) {
		return false
	}
	w.excluded = append(w.excluded, found{path, notObject(Excluded, "is left out by --exclude or %s", ignoreFile)})
	return true
}
