package rego

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// completeKinds adds the kinds whose templates produce the policy's kinds. A policy that names Pod covers every
// Pod, but most Pods are created from templates that would otherwise never be decided. It adds nothing if the
// rules cannot work on a template (inputReads), if METADATA sets complete_kinds to false, or if nothing creates
// the policy's kinds, as with Deployment.
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

// missing returns the kinds that carry templates of kind and are not in kinds.
func missing(kind schema.GroupKind, kinds []schema.GroupKind) (absent []schema.GroupKind) {
	for _, controller := range decision.Controllers(kind) {
		if controller.Updates {
			continue // the policy is not about revisions themselves
		}
		for _, from := range controller.From {
			if !slices.Contains(kinds, from) && !slices.Contains(absent, from) {
				absent = append(absent, from)
			}
		}
	}
	return absent
}

// Uncovered is a kind whose objects are not all covered by a decision on their template.
type Uncovered struct {
	Kind schema.GroupKind
	// From lists the kinds that it is created from and that the policy does not cover. Objects that a built-in
	// controller creates from those kinds are decided when they are created.
	From []schema.GroupKind
}

// Warning returns a one-line explanation of the consequence.
func (u *Uncovered) Warning() string {
	return fmt.Sprintf("a %s created from %s is decided only when it is created", u.Kind, KindList(u.From))
}

// Uncovered returns those of the policy's kinds that built-in controllers create from kinds outside the policy,
// in the order of METADATA. It returns none if the policy is not about objects that a controller creates.
func (p *Policy) Uncovered() (all []Uncovered) {
	if p.ignoresControlled {
		return nil
	}
	for _, kind := range p.Kinds {
		if from := missing(kind, p.Kinds); len(from) > 0 {
			all = append(all, Uncovered{Kind: kind, From: from})
		}
	}
	return all
}

// Undecided returns the kinds with Pod templates that a policy about Pods does not cover, and to which its
// requirements therefore do not apply. It is empty if the policy covers Pods themselves or is not about Pods.
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

// inputReads describes which parts of the input a module reads. Rules work the same on a Pod and on a Pod
// template if they read only what both have in common.
type inputReads struct {
	// pods reports whether the rules read the Pod of a workload. other reports whether they may read anything
	// that differs between a Pod and a template. It is true whenever the source does not rule that out.
	pods, other bool
	// credentials reports whether the rules may read input.credentials.
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
	case *ast.Head: // OPA's visitors skip the reference of a head
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
			// workload.template distinguishes a template from a Pod, even if the workload is accessed through
			// another name.
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

// constantAt returns the constant part of a reference at an index, or "" if there is none.
func constantAt(ref ast.Ref, at int) string {
	if at >= len(ref) {
		return ""
	}
	name, _ := ref[at].Value.(ast.String)
	return string(name)
}

// KindNotes explains, a sentence each, where the kinds that are decided differ from what METADATA suggests.
// covered is false if some objects of the policy's kinds are not covered by a decision on their template.
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

// KindList formats kinds as METADATA does.
func KindList(kinds []schema.GroupKind) string {
	names := make([]string, len(kinds))
	for i, kind := range kinds {
		names[i] = kind.String()
	}
	return strings.Join(names, ", ")
}
