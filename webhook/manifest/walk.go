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

// Options of Open and Load.
type Options struct {
	// Exclude are patterns of files and folders to leave out, in the syntax of package
	// ignore. One with a slash may be relative to the working folder or to the folder named.
	Exclude []string
}

var errNoManifests = errors.New("holds no *.yaml, *.yml or *.json")

// found is a file that a path names, or what cannot be read or is left out, and why.
type found struct {
	name string
	err  error
}

// find returns the file itself, or every *.yaml, *.yml and *.json below a folder, sorted,
// without what is left out. A folder without any is an error, because a mistyped path
// must not pass for a clean one.
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
	// root is the folder without links, and seen are such folders that were read.
	root string
	seen map[string]bool
	// rules are those of the files, of which the inner counts before the outer. Those of
	// flags count before all.
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
	w.flags, err = excludes(path, o.Exclude)
	if err != nil {
		return nil, err
	}
	w.rules, err = outerRules(path)
	return w, err
}

// realPath is an absolute path without links.
func realPath(path string) (string, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// walk reads a folder. target is the folder without links.
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
			if target, err = realPath(path); err != nil || !w.isRead(target) {
				return
			}
		}
	}
	switch {
	case mode.IsDir() && isInternal(entry.Name()):
	case mode.IsDir():
		if !w.leavesOut(path, true) {
			w.walk(path, target)
		}
	// A pipe would be waited for. A link that leads nowhere is an error when it is opened.
	case yamldoc.IsManifestName(path) && (mode.IsRegular() || mode&fs.ModeSymlink != 0):
		if !w.leavesOut(path, false) {
			w.found = append(w.found, found{path, nil})
		}
	}
}

// isRead reports whether the target of a link is read by way of it. What is in the folder
// anyway is read there, unless it is internal, and what holds the folder would be read
// without end.
func (w *walker) isRead(target string) bool {
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

// isInternal reports whether a folder belongs to a tool: the data of Git, where a branch
// may be named like a file, and what the kubelet keeps next to the files of a ConfigMap.
func isInternal(name string) bool { return name == ".git" || strings.HasPrefix(name, "..") }

func (w *walker) leavesOut(path string, isDir bool) bool {
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
