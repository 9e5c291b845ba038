package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"taffrail.dev/webhook/manifest/ignore"
	"taffrail.dev/webhook/manifest/repository"
)

// ignoreFile is the name of the files with exclude patterns for the folder that contains them.
const ignoreFile = ".taffrailignore"

// excludePatterns parses the patterns of flags, once relative to the working folder and once
// relative to path.
func excludePatterns(path string, flags []string) (ignore.Patterns, error) {
	var all ignore.Patterns
	for _, folder := range []string{".", path} {
		base, err := absolute(folder)
		if err != nil {
			return nil, err
		}
		for _, flag := range flags {
			patterns, err := ignore.Parse(flag, base)
			if err != nil {
				return nil, err
			}
			all = append(all, patterns...)
		}
	}
	return all, nil
}

// outerRules returns the patterns of the folders above path, up to the root of the repository or,
// outside of a repository, to the working folder.
func outerRules(path string) (rules ignore.Patterns, err error) {
	folder, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	top := repository.Root(folder)
	if top == "" {
		if top, err = os.Getwd(); err != nil {
			return nil, err
		}
	}
	var above []string
	for folder != top && isBelow(folder, top) {
		folder = filepath.Dir(folder)
		above = append(above, folder)
	}
	for _, folder := range slices.Backward(above) {
		if rules, err = withRulesOf(folder, rules); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(folder, ignoreFile), err)
		}
	}
	return rules, nil
}

// withRulesOf appends the patterns of a folder, if it has any.
func withRulesOf(folder string, rules ignore.Patterns) (ignore.Patterns, error) {
	text, err := os.ReadFile(filepath.Join(folder, ignoreFile))
	if errors.Is(err, fs.ErrNotExist) {
		return rules, nil
	} else if err != nil {
		return nil, err
	}
	base, err := absolute(folder)
	if err != nil {
		return nil, err
	}
	own, err := ignore.Parse(strings.TrimPrefix(string(text), "\ufeff"), base)
	return slices.Concat(rules, own), err
}

func absolute(path string) (string, error) {
	path, err := filepath.Abs(path)
	return filepath.ToSlash(path), err
}
