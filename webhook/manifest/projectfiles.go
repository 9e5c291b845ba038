package manifest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"taffrail.dev/webhook/yamldoc"
)

// projectFiles knows what the kustomizations and charts around a manifest say about it: which
// files kustomizations use as something other than an object, and which files belong to a chart.
type projectFiles struct {
	// named maps the absolute paths of files and folders to their category.
	named     map[string]Category
	resources map[string]bool
	seen      map[string]bool
	charts    map[string]bool
}

func newProjectFiles() *projectFiles {
	return &projectFiles{named: map[string]Category{}, resources: map[string]bool{}, seen: map[string]bool{}, charts: map[string]bool{}}
}

// maxParents limits how far above a file its kustomization may be.
const maxParents = 8

// addFolderOf reads the kustomizations and charts in the folder of a file and above, up to the
// root of its repository.
func (n *projectFiles) addFolderOf(file string) {
	path, err := filepath.Abs(file)
	if err != nil {
		return
	}
	folder := filepath.Dir(path)
	for range maxParents {
		if n.seen[folder] {
			return
		}
		n.seen[folder] = true
		n.charts[folder] = exists(filepath.Join(folder, "Chart.yaml"))
		for _, name := range []string{"kustomization.yaml", "kustomization.yml", "Kustomization"} {
			n.read(filepath.Join(folder, name))
		}
		parent := filepath.Dir(folder)
		if parent == folder || exists(filepath.Join(folder, ".git")) {
			return
		}
		folder = parent
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// categorize returns the reason why a file does not hold objects, or nil if the files around it
// give none.
func (n *projectFiles) categorize(file string, walked bool) *NotObjectError {
	path, err := filepath.Abs(file)
	if err != nil || n.resources[path] {
		return nil //nolint:nilerr // without an absolute path there is nothing to look up
	}
	for at := path; ; at = filepath.Dir(at) {
		switch category, found := n.named[at]; {
		case found && category == Patch:
			return notObject(category, "is a kustomize patch, not an object")
		case found:
			return notObject(category, "is input for kustomize, not an object")
		case at == filepath.Dir(at):
			if walked && n.inTemplates(path) {
				return notObject(Chart, "is a template of a Helm chart, not an object")
			}
			return nil
		}
	}
}

// check returns the result of categorize as an error.
func (n *projectFiles) check(file string, walked bool) error {
	if reason := n.categorize(file, walked); reason != nil {
		return reason
	}
	return nil
}

func (n *projectFiles) inTemplates(path string) bool {
	for folder := filepath.Dir(path); folder != filepath.Dir(folder); folder = filepath.Dir(folder) {
		if filepath.Base(folder) == "templates" && n.charts[filepath.Dir(folder)] {
			return true
		}
	}
	return false
}

// read records the files that a kustomization names. It ignores errors: kustomize reports them.
func (n *projectFiles) read(path string) {
	data, err := os.ReadFile(path)
	if err != nil {
		return
	}
	folder := filepath.Dir(path)
	for _, chunk := range yamldoc.Split(data) {
		doc, err := yamldoc.Parse(chunk)
		if err != nil {
			continue
		}
		root, _ := doc.Value.(map[string]any)
		for field, category := range namedBy() {
			for _, name := range texts(root, strings.Split(field, ".")) {
				n.name(folder, name, category, slices.Contains(pluginFields(), field))
			}
		}
		for _, field := range []string{"resources", "bases", "components"} {
			for _, name := range texts(root, []string{field}) {
				n.resources[filepath.Join(folder, name)] = true
			}
		}
	}
}

// name records a file. It ignores inline content, which some fields accept in place of a file,
// and takes the file from key=file, which generators accept. A folder is recorded only for
// plugins, and only if the kustomization is not itself inside it.
func (n *projectFiles) name(folder, file string, category Category, takesFolder bool) {
	if file == "" || strings.ContainsAny(file, "\n{") {
		return
	}
	if _, after, found := strings.Cut(file, "="); found {
		file = after
	}
	path := filepath.Join(folder, file)
	if info, err := os.Stat(path); err == nil && info.IsDir() && (!takesFolder || isBelow(folder, path)) {
		return
	}
	n.named[path] = category
}

// pluginFields returns the fields that name files or folders with the configuration of kustomize
// plugins.
func pluginFields() []string { return []string{"transformers", "generators", "validators"} }

// namedBy returns the fields of a kustomization that name files which are not objects.
func namedBy() map[string]Category {
	return map[string]Category{
		"patches.path":                       Patch,
		"patchesStrategicMerge":              Patch,
		"patchesJson6902.path":               Patch,
		"replacements.path":                  Kustomization,
		"transformers":                       Kustomization,
		"generators":                         Kustomization,
		"validators":                         Kustomization,
		"configurations":                     Kustomization,
		"crds":                               Kustomization,
		"openapi.path":                       Kustomization,
		"configMapGenerator.files":           Kustomization,
		"configMapGenerator.envs":            Kustomization,
		"configMapGenerator.env":             Kustomization,
		"secretGenerator.files":              Kustomization,
		"secretGenerator.envs":               Kustomization,
		"secretGenerator.env":                Kustomization,
		"helmCharts.valuesFile":              Chart,
		"helmCharts.additionalValuesFiles":   Chart,
		"helmChartInflationGenerator.values": Chart,
	}
}

// texts returns the strings at a path through maps and the elements of lists.
func texts(value any, fields []string) (all []string) {
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			all = append(all, texts(element, fields)...)
		}
	case map[string]any:
		if len(fields) > 0 {
			return texts(value[fields[0]], fields[1:])
		}
	case string:
		if len(fields) == 0 {
			return []string{value}
		}
	}
	return all
}
