package yamldoc

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Files lists the files that a path names: itself, or every *.yaml, *.yml and *.json
// below a folder, sorted. Links to files are followed, links to folders are not. A
// folder without any is an error, because a mistyped path must not pass for a clean one.
// Every error is an *fs.PathError.
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
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("holds no *.yaml, *.yml or *.json")}
	}
	return files, nil
}

// IsCaseFile tells whether a file is one of a policy's cases, which are no manifests: it
// stands in a folder named cases.
func IsCaseFile(path string) bool {
	return IsManifestName(path) && filepath.Base(filepath.Dir(path)) == "cases"
}

// IsManifestName reports whether a file is named like YAML or JSON.
func IsManifestName(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}
