package manifest

import "fmt"

// Category classifies documents that are not objects.
type Category string

const (
	// Foreign documents do not claim to be Kubernetes objects.
	Foreign Category = "document without apiVersion and kind"
	// ToolConfig documents have an apiVersion and a kind, but are read by a tool and not by an API
	// server.
	ToolConfig Category = "configuration file of a tool"
	// Kustomization covers kustomizations and the files they name, except for resources and
	// patches.
	Kustomization Category = "kustomization file"
	// Patch is a part of an object that kustomize merges into another.
	Patch Category = "kustomize patch"
	// Chart covers the templates and values of Helm charts.
	Chart Category = "file of a Helm chart"
	// Template documents contain placeholders where no API server accepts text.
	Template Category = "template"
	// Blank documents contain only comments, or a List without items. They are usually generated
	// that way, and there is nothing to evaluate.
	Blank Category = "document without content"
	// Binary files are not text, whatever their name.
	Binary Category = "binary file"
	// Excluded files and folders match a pattern of --exclude or .taffrailignore.
	Excluded Category = "file or folder left out by --exclude or .taffrailignore"
	// Message documents are exchanged between API servers, webhooks and clients.
	Message Category = "message of the API server"
)

const (
	buildHint  = "check what the kustomization builds: kustomize build DIR | taffrail check -"
	renderHint = "check what the chart renders: helm template DIR | taffrail check -"
)

// Hint returns how to obtain the objects that such a document contributes to. It is empty if
// there are none.
func (s Category) Hint() string {
	switch s {
	case Kustomization, Patch:
		return buildHint
	case Chart:
		return renderHint
	case Template:
		return "check the output of the tool that replaces the placeholders"
	case Foreign, ToolConfig, Blank, Binary, Excluded, Message:
	}
	return ""
}

// Plural returns the plural form of the category.
func (s Category) Plural() string {
	switch s {
	case Foreign:
		return "documents without apiVersion and kind"
	case ToolConfig:
		return "configuration files of tools"
	case Patch:
		return "kustomize patches"
	case Chart:
		return "files of Helm charts"
	case Excluded:
		return "files or folders left out by --exclude or .taffrailignore"
	case Message:
		return "messages of the API server"
	case Kustomization, Template, Blank, Binary:
	}
	return string(s) + "s"
}

// NotObjectError is returned for a document that is not an object, although nothing may be wrong
// with it. Such a document is skipped if it was found in a folder, and reported if it was named.
type NotObjectError struct {
	Category Category
	// Reason completes a sentence about the document, as in "has no metadata".
	Reason string
}

func (e *NotObjectError) Error() string {
	if hint := e.Category.Hint(); hint != "" && e.Category != Template {
		return e.Reason + "; " + hint
	}
	return e.Reason
}

func notObject(category Category, format string, args ...any) *NotObjectError {
	return &NotObjectError{Category: category, Reason: fmt.Sprintf(format, args...)}
}

// Fault is a problem with a field of an object.
type Fault struct {
	// Line is the line in the file.
	Line int
	// Path is the field, as in spec.containers[0].image.
	Path   string
	Reason string

	column int
}

func (f Fault) String() string { return f.Path + ": " + f.Reason }

// RefusedError is returned for an object that no API server accepts. Faults is sorted by position
// in the file and never empty.
type RefusedError struct{ Faults []Fault }

func (e *RefusedError) Error() string { return e.Faults[0].String() }
