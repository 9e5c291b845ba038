package yamldoc

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Files returns the files that a path names: the file itself, or every *.yaml, *.yml and *.json
// below a folder, sorted. It follows links to files but not to folders. A folder without any such
// file is an error: a mistyped path must not look like a clean one. Every error is an
// *fs.PathError.
func Files(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() || !IsManifestName(file) {
			return nil
		}
		if entry.Type()&fs.ModeSymlink != 0 {
			if target, err := os.Stat(file); err == nil && target.IsDir() {
				return nil
			}
		}
		files = append(files, file)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("contains no *.yaml, *.yml or *.json")}
	}
	return files, nil
}

// IsCaseFile reports whether a file is a test case of a policy and not a manifest: it is in a
// folder named cases.
func IsCaseFile(path string) bool {
	return IsManifestName(path) && filepath.Base(filepath.Dir(path)) == "cases"
}

// IsManifestName reports whether a file has the extension of YAML or JSON.
func IsManifestName(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}
