package manifest

import "fmt"

// Sort says what a document is that is no object.
type Sort string

const (
	// Foreign documents do not claim to be Kubernetes'.
	Foreign Sort = "document without apiVersion and kind"
	// Settings have an apiVersion and a kind, but are read by a tool and by no API server.
	Settings Sort = "configuration file of a tool"
	// Kustomization covers kustomizations, and what they name besides resources and patches.
	Kustomization Sort = "kustomization file"
	// Patch is a part of an object, for kustomize to add to the rest.
	Patch Sort = "kustomize patch"
	// Chart covers the templates and values of Helm charts.
	Chart Sort = "file of a Helm chart"
	// Template holds placeholders where no API server takes text.
	Template Sort = "template"
	// Blank text is a file of comments, or a List without items: something made it on
	// purpose, and there is nothing to judge.
	Blank Sort = "document without content"
	// Binary files are no text, whatever they are named.
	Binary Sort = "binary file"
	// Excluded are the files and folders that somebody chose to leave out.
	Excluded Sort = "file or folder left out by --exclude or .taffrailignore"
	// Message is what API servers, webhooks and clients send each other about objects.
	Message Sort = "message of the API server"
)

const (
	buildHint  = "check what the kustomization builds: kustomize build DIR | taffrail check -"
	renderHint = "check what the chart renders: helm template DIR | taffrail check -"
)

// Hint is where the objects are that such a document has a part in; empty if there are none.
func (s Sort) Hint() string {
	switch s {
	case Kustomization, Patch:
		return buildHint
	case Chart:
		return renderHint
	case Template:
		return "check what the tool makes that replaces the placeholders"
	case Foreign, Settings, Blank, Binary, Excluded, Message:
	}
	return ""
}

// Plural is the sort of many.
func (s Sort) Plural() string {
	switch s {
	case Foreign:
		return "documents without apiVersion and kind"
	case Settings:
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

// NotObjectError is why a document is no object to judge, although nothing need be wrong with
// it. Among the files of a folder it is skipped; somebody who names it meant an object.
type NotObjectError struct {
	Sort Sort
	// Reason completes a sentence about the document, as in "has no metadata".
	Reason string
}

func (e *NotObjectError) Error() string {
	if hint := e.Sort.Hint(); hint != "" && e.Sort != Template {
		return e.Reason + "; " + hint
	}
	return e.Reason
}

func notObject(sort Sort, format string, args ...any) *NotObjectError {
	return &NotObjectError{Sort: sort, Reason: fmt.Sprintf(format, args...)}
}

// Fault is what is wrong with a field of an object, and where it is written.
type Fault struct {
	// Line of the file.
	Line int
	// Path is the field, as in spec.containers[0].image.
	Path   string
	Reason string

	column int
}

func (f Fault) String() string { return f.Path + ": " + f.Reason }

// RefusedError is the error of an object that no API server takes. Faults are in the order of
// the file, and never none.
type RefusedError struct{ Faults []Fault }

func (e *RefusedError) Error() string { return e.Faults[0].String() }
