package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config/document"
	"taffrail.dev/webhook/engine"
)

// Set is the Guardrails of some files, and remembers where each of them stands.
type Set struct {
	entries []entry
}

// LoadFiles reads multi-document YAML and JSON from files and folders, and knows every
// field: what it does not know is an error. Each error is an *Error. Two Guardrails of one name are
// an error, since a cluster could hold only one of them, and so is finding none at all.
func LoadFiles(paths ...string) (*Set, []error) {
	set := &Set{}
	var errs []error
	for _, path := range paths {
		files, err := document.Files(path)
		if err != nil {
			errs = append(errs, unreadable(path, err))
			continue
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				errs = append(errs, unreadable(file, err))
				continue
			}
			found, bad := decode(data, file)
			errs = append(errs, bad...)
			errs = append(errs, set.add(found)...)
		}
	}
	if len(errs) == 0 && len(set.entries) == 0 {
		for _, path := range paths {
			errs = append(errs, &Error{Source: path, Reason: "holds no Guardrail"})
		}
	}
	return set, errs
}

func (s *Set) add(entries []entry) (errs []error) {
	for _, e := range entries {
		if first := s.find(e.guardrail.Name); first != nil {
			there := first.fail("metadata.name", "")
			errs = append(errs, e.fail("metadata.name",
				fmt.Sprintf("%q is the name of another Guardrail, at %s:%d", e.guardrail.Name, there.Source, there.Line)))
			continue
		}
		s.entries = append(s.entries, e)
	}
	return errs
}

// find returns the entry of that name. Nameless ones are left to Resolve.
func (s *Set) find(name string) *entry {
	for i := range s.entries {
		if name != "" && s.entries[i].guardrail.Name == name {
			return &s.entries[i]
		}
	}
	return nil
}

// Guardrails returns what was decoded, in the order of the files.
func (s *Set) Guardrails() []v1alpha1.Guardrail { return guardrails(s.entries) }

// Check resolves every Guardrail and adds file and line to what is wrong with it.
func (s *Set) Check(catalog *engine.Catalog) (errs []error) {
	for i := range s.entries {
		e := &s.entries[i]
		_, bad := Resolve(&e.guardrail, catalog)
		for _, err := range bad {
			errs = append(errs, e.fail(err.Field, err.ErrorBody()))
		}
	}
	return errs
}

// unreadable leaves out the name of the system call, which tells nobody anything.
func unreadable(path string, err error) error {
	if pathErr := new(fs.PathError); errors.As(err, &pathErr) {
		return &Error{Source: pathErr.Path, Reason: pathErr.Err.Error()}
	}
	return &Error{Source: path, Reason: err.Error()}
}
