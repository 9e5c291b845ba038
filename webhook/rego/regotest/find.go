package regotest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/yamldoc"
)

// place locates the Rego of a policy: a file, and the line on which the Rego begins.
type place struct {
	file   string
	before int // lines above the Rego
}

// userPolicy is a policy of a user's own, from a Policy object or a Rego file.
type userPolicy struct {
	place
	name, rego string
	budget     rego.Budget
}

// found collects what is to be tested.
type found struct {
	users   []userPolicy
	library map[string]bool   // Rego files of a library, except tests
	roots   map[string]bool   // the libraries' folders
	tests   map[string]string // sources of Rego tests by file
	cases   []*Case
	errs    []error
}

// find reads all it can, and collects the errors of the rest in errs.
func find(paths []string) (*found, error) {
	all := &found{library: map[string]bool{}, roots: map[string]bool{}, tests: map[string]string{}}
	seen := map[string]bool{}
	for _, path := range paths {
		err := filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && file != path && strings.HasPrefix(entry.Name(), "."):
				return fs.SkipDir
			case entry.IsDir() || seen[file]:
				return nil
			}
			seen[file] = true
			return all.add(file)
		})
		if pathErr := new(fs.PathError); errors.As(err, &pathErr) {
			return nil, fmt.Errorf("%s: %w", pathErr.Path, pathErr.Err)
		} else if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (f *found) add(file string) error {
	extension := filepath.Ext(file)
	if extension != ".rego" && extension != ".yaml" && extension != ".yml" {
		return nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	switch {
	case strings.HasSuffix(file, "_test.rego"):
		f.tests[file] = string(data)
	case extension == ".rego":
		f.addRego(file, string(data))
	case yamldoc.IsCaseFile(file):
		read, errs := Read(data, file)
		f.cases, f.errs = append(f.cases, read...), append(f.errs, errs...)
	default:
		f.addPolicies(file, data)
	}
	return nil
}

func (f *found) addRego(file, source string) {
	pkg, err := rego.PackageOf(file, source)
	if err != nil {
		f.errs = append(f.errs, err)
		return
	}
	if name, ok := strings.CutPrefix(pkg, rego.UserPackage("")); ok {
		f.users = append(f.users, userPolicy{place: place{file: file}, name: strings.ReplaceAll(name, "_", "-"), rego: source, budget: rego.DefaultBudget})
		return
	}
	// The library's folder is the one from which the path to the file equals the package's path.
	_, below, _ := strings.Cut(pkg, ".")
	folder := filepath.ToSlash(filepath.Dir(file))
	want := strings.ReplaceAll(below, ".", "/")
	root, ok := strings.CutSuffix("/"+folder, "/"+want)
	if !ok || want == "" {
		f.errs = append(f.errs, fmt.Errorf("%s: package %s: a policy of your own is in package %s", file, pkg, rego.UserPackage("<name>")))
		return
	}
	root = strings.TrimPrefix(root, "/")
	if strings.HasPrefix(folder, "/") {
		root = "/" + strings.TrimPrefix(root, "/")
	}
	if root == "" {
		root = "."
	}
	f.library[file] = true
	f.roots[root] = true
}

// addPolicies ignores other kinds, because a file may also hold Guardrails and manifests. It also ignores what
// is not YAML, such as the templates of a chart.
func (f *found) addPolicies(file string, data []byte) {
	for _, chunk := range yamldoc.Split(data) {
		doc, err := yamldoc.Parse(chunk)
		if err != nil {
			continue
		}
		object, _ := doc.Value.(map[string]any)
		if object["kind"] != "Policy" || object["apiVersion"] != v1alpha1.GroupVersion().String() {
			continue
		}
		at := place{file: file, before: linesBefore(data, doc.LineOf("spec.rego"))}
		f.addPolicy(object, at, doc)
	}
}

// addPolicy reads a Policy as strictly as check -c and the cluster do.
func (f *found) addPolicy(object map[string]any, at place, doc *yamldoc.Document) {
	decoded, faults := config.Decode(object)
	policy, ok := decoded.(*v1alpha1.Policy)
	if ok {
		for _, err := range config.CheckPolicy(policy) {
			faults = append(faults, decision.Fault{Field: err.Field, Reason: err.ErrorBody()})
		}
	}
	for _, fault := range faults {
		f.errs = append(f.errs, &config.Error{Source: at.file, Line: doc.LineOf(fault.Field), Field: fault.Field, Reason: fault.Reason})
	}
	if len(faults) == 0 {
		f.users = append(f.users, userPolicy{place: at, name: policy.Name, rego: policy.Spec.Rego, budget: config.BudgetOf(&policy.Spec)})
	}
}

// linesBefore returns the number of lines before a block scalar, which is the line of its key.
func linesBefore(data []byte, key int) int {
	lines := strings.Split(string(data), "\n")
	if key < 1 || key > len(lines) || !strings.ContainsAny(lines[key-1], "|>") {
		return key - 1
	}
	for key < len(lines) && strings.TrimSpace(lines[key]) == "" {
		key++ // leading blank lines are not part of the text
	}
	return key
}

// policiesBeside returns the names of the users' policies in a folder.
func (f *found) policiesBeside(folder string) (names []string) {
	for _, policy := range f.users {
		if filepath.Dir(policy.file) == folder && !slices.Contains(names, policy.name) {
			names = append(names, policy.name)
		}
	}
	return names
}
