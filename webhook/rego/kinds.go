package rego

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// completeKinds adds the kinds whose templates a policy's kinds are made from: a policy
// that names Pod is about every Pod, and most Pods are made from a template that was
// decided long before, or not at all. It adds none where the rules would see nothing in
// a template (inputReads), and none where METADATA says complete_kinds: false. A policy
// that names only kinds that nothing makes, such as Deployment, stays as it is.
func (p *Policy) completeKinds(reads *inputReads) {
	p.readsPods = reads.pods
	if p.asWritten || !reads.pods || reads.other {
		return
	}
	for i := 0; i < len(p.Kinds); i++ {
		if !slices.Contains(decision.PodKinds(), p.Kinds[i]) {
			continue
		}
		for _, kind := range missing(p.Kinds[i], p.Kinds) {
			p.Kinds, p.Completed = append(p.Kinds, kind), append(p.Completed, kind)
		}
	}
}

// missing are the kinds that carry the templates of a kind and are not among kinds.
func missing(kind schema.GroupKind, kinds []schema.GroupKind) (absent []schema.GroupKind) {
	for _, controller := range decision.Controllers(kind) {
		if controller.Updates {
			continue // what the template was restored from is not what the policy is about
		}
		for _, from := range controller.From {
			if !slices.Contains(kinds, from) && !slices.Contains(absent, from) {
				absent = append(absent, from)
			}
		}
	}
	return absent
}

// Uncovered is a kind of which not every object is decided by its template.
type Uncovered struct {
	Kind schema.GroupKind
	// From are the kinds that it is made from and that the policy is not about. Objects that
	// a built-in controller makes from them are decided when they are created.
	From []schema.GroupKind
}

// Warning says what that means, in a line.
func (u *Uncovered) Warning() string {
	return fmt.Sprintf("a %s created from %s is decided only when it is created", u.Kind, KindList(u.From))
}

// Uncovered returns the policy's kinds that built-in controllers make from kinds which the
// policy is not about, in the order of METADATA.
func (p *Policy) Uncovered() (all []Uncovered) {
	for _, kind := range p.Kinds {
		if from := missing(kind, p.Kinds); len(from) > 0 {
			all = append(all, Uncovered{Kind: kind, From: from})
		}
	}
	return all
}

// Undecided returns the kinds with Pods that a policy about Pods does not cover: its requirements do
// not apply to them. It is empty for a policy that covers Pods themselves, and for one that is not
// about Pods.
func (p *Policy) Undecided() (kinds []schema.GroupKind) {
	if !p.readsPods || slices.Contains(p.Kinds, schema.GroupKind{Kind: "Pod"}) {
		return nil
	}
	for _, kind := range decision.PodKinds() {
		if !slices.Contains(p.Kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// inputReads is what modules read of the input. Rules see a Pod and the Pod in a template
// alike if they read what is the same for both, and nothing that tells one from the other or
// is the object's own.
type inputReads struct {
	// pods is true if they read the Pod of a workload. other is true if they read anything
	// that is not the same for a Pod and a template, or may do so: what cannot be seen in the
	// text counts.
	pods, other bool
	// credentials is true if they read input.credentials, or may do so.
	credentials bool
}

func readsOf(modules []*ast.Module) *inputReads {
	reads := &inputReads{}
	for _, module := range modules {
		ast.NewGenericVisitor(reads.visit).Walk(module)
	}
	return reads
}

func (reads *inputReads) visit(node any) bool {
	switch node := node.(type) {
	case *ast.Annotations, *ast.Package:
		return true
	case *ast.Head: // OPA's visitors leave its reference out
		for _, term := range node.Reference[1:] {
			ast.NewGenericVisitor(reads.visit).Walk(term)
		}
	case *ast.Term:
		switch value := node.Value.(type) {
		case ast.Ref:
			reads.reference(value)
			for _, term := range value[1:] {
				ast.NewGenericVisitor(reads.visit).Walk(term)
			}
			if _, plain := value[0].Value.(ast.Var); !plain {
				ast.NewGenericVisitor(reads.visit).Walk(value[0])
			}
			return true
		case ast.Var:
			whole := value.Equal(ast.InputRootDocument.Value)
			reads.other, reads.credentials = reads.other || whole, reads.credentials || whole
		case ast.String:
			// workload.template tells a template from a Pod, under whichever name the workload goes.
			reads.other = reads.other || value == "template"
		}
	}
	return false
}

func (reads *inputReads) reference(ref ast.Ref) {
	if !ref.HasPrefix(ast.InputRootRef) {
		return
	}
	reads.credentials = reads.credentials || constantAt(ref, 1) == "" || constantAt(ref, 1) == "credentials"
	switch constantAt(ref, 1) {
	case "containers", "gaps", "claims":
		reads.pods = true
	case "workload":
		switch {
		case len(ref) == 2:
			reads.pods = true
		case constantAt(ref, 2) == "":
			reads.other = true
		case slices.Contains([]string{"pod", "resources", "longRunning", "refusals", "shortages"}, constantAt(ref, 2)):
			reads.pods = true
		}
	case "namespace", "parameters":
	default:
		reads.other = true
	}
}

// constantAt is a constant part of a reference, "" where it has none there.
func constantAt(ref ast.Ref, at int) string {
	if at >= len(ref) {
		return ""
	}
	name, _ := ref[at].Value.(ast.String)
	return string(name)
}

// KindNotes says in sentences what of the kinds that a policy's objects are made from is
// decided otherwise than METADATA lets expect. covered is false if not every object
// of its kinds is decided by its template.
func (p *Policy) KindNotes() (notes []string, covered bool) {
	covered = true
	if len(p.Completed) > 0 {
		notes = append(notes, "It also applies to "+KindList(p.Completed)+", which contain the templates of the kinds in METADATA.")
	}
	for _, uncovered := range p.Uncovered() {
		covered = false
		notes = append(notes, fmt.Sprintf("A %s created from %s is decided only when it is created: name these kinds in METADATA, "+
			"and read the Pod as input.containers and input.workload.pod.", uncovered.Kind, KindList(uncovered.From)))
	}
	if kinds := p.Undecided(); len(kinds) > 0 {
		covered = false
		notes = append(notes, "It does not apply to "+KindList(kinds)+", which contain Pods too: name Pod in METADATA to apply to every Pod.")
	}
	return notes, covered
}

// KindList writes kinds as METADATA does.
func KindList(kinds []schema.GroupKind) string {
	names := make([]string, len(kinds))
	for i, kind := range kinds {
		names[i] = kind.String()
	}
	return strings.Join(names, ", ")
}
