package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/yamldoc"
)

// Files is the configuration from a set of files. It knows the location of each object.
type Files struct {
	entries []entry
	exports []*Export
}

// LoadFiles reads multi-document YAML and JSON from files and directories. Unknown fields, two
// objects of the same kind and name, and finding no object at all are errors. Every error is an
// *Error.
func LoadFiles(paths ...string) (*Files, []error) {
	set := &Files{}
	var errs []error
	for _, path := range paths {
		files, err := yamldoc.Files(path)
		if err != nil {
			errs = append(errs, unreadable(path, err))
		}
		for _, file := range files {
			if file != path && yamldoc.IsCaseFile(file) {
				continue
			}
			data, err := os.ReadFile(file)
			if err != nil {
				errs = append(errs, unreadable(file, err))
				continue
			}
			found, export, bad := decode(data, file)
			if export != nil {
				set.exports = append(set.exports, export)
			}
			errs = append(errs, bad...)
			errs = append(errs, set.add(found)...)
		}
	}
	if len(errs) == 0 && len(set.entries)+len(set.exports) == 0 {
		for _, path := range paths {
			errs = append(errs, &Error{Source: path, Reason: "contains no " + anyKind})
		}
	}
	return set, errs
}

func (s *Files) add(entries []entry) (errs []error) {
	for _, e := range entries {
		if first := s.find(e.kind, e.object.GetName()); first != nil {
			there := first.fail("metadata.name", "")
			errs = append(errs, e.fail("metadata.name",
				fmt.Sprintf("%q is already the name of another %s, at %s:%d", e.object.GetName(), e.kind, there.Source, there.Line)))
			continue
		}
		s.entries = append(s.entries, e)
	}
	return errs
}

// find returns the entry with a name. It ignores entries without a name, which Check reports.
func (s *Files) find(kind, name string) *entry {
	for i := range s.entries {
		if name != "" && s.entries[i].kind == kind && s.entries[i].object.GetName() == name {
			return &s.entries[i]
		}
	}
	return nil
}

// Objects returns the decoded objects in the order of the files.
func (s *Files) Objects() (all Objects) {
	for i := range s.entries {
		all.add(s.entries[i].object)
	}
	return all
}

// Exports returns the first documents of those files that are exports.
func (s *Files) Exports() []*Export { return s.exports }

// Exported reports whether an object is from an export: it was valid when it was stored, or is
// only partly in force in the cluster too.
func (s *Files) Exported(kind, name string) bool {
	found := s.find(kind, name)
	return found != nil && found.exported
}

// Check resolves all objects and returns their errors with file and line, without those of
// exports. It resolves Policies first, because Guardrails and Exemptions may name them.
func (s *Files) Check(library *rego.Catalog) (errs []error) {
	policies := ResolvePolicies(s.Objects().Policies, library)
	for i := range s.entries {
		e := &s.entries[i]
		if e.exported {
			continue
		}
		var bad field.ErrorList
		switch object := e.object.(type) {
		case *v1alpha1.Guardrail:
			_, bad = Resolve(object, policies.Catalog)
		case *v1alpha1.Exemption:
			_, bad = ResolveExemption(object, policies.Catalog)
		case *v1alpha1.Policy:
			bad = policies.Errors[object.Name]
		}
		for _, err := range bad {
			errs = append(errs, e.fail(err.Field, err.ErrorBody()))
		}
	}
	return errs
}

// unreadable omits the name of the system call, which does not help users.
func unreadable(path string, err error) error {
	if pathErr := new(fs.PathError); errors.As(err, &pathErr) {
		return &Error{Source: pathErr.Path, Reason: pathErr.Err.Error()}
	}
	return &Error{Source: path, Reason: err.Error()}
}
