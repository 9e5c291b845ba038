package rego

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"taffrail.dev/webhook/rego/compile"
	"taffrail.dev/webhook/rego/sandbox"
)

// compiledElements are those that the compiled engine returns.
type compiledElements []any

// Len implements elements.
func (all compiledElements) Len() int { return len(all) }

func (all compiledElements) each(read func(element) error) error {
	for _, value := range all {
		if err := read(compiledElement{value}); err != nil {
			return err
		}
	}
	return nil
}

type compiledElement struct{ own any }

func (e compiledElement) value() any { return e.own }

func (e compiledElement) size() int { return compile.Size(e.own, maxFinding) }

func (e compiledElement) text(name string) string {
	text, _ := compile.Member(e.own, name).(string)
	return text
}

// opaElements are those that topdown returns.
type opaElements struct{ ast.Set }

// elementsOf returns nil if a rule does not return a set.
func elementsOf(value ast.Value) elements {
	if set, ok := value.(ast.Set); ok {
		return opaElements{set}
	}
	return nil
}

func (all opaElements) each(read func(element) error) error {
	return all.Iter(func(term *ast.Term) error { return read(opaElement{term}) })
}

type opaElement struct{ term *ast.Term }

func (e opaElement) value() any { return compile.FromAST(e.term.Value) }

func (e opaElement) size() int { return sandbox.Rendered(e.term) }

func (e opaElement) text(name string) string {
	object, ok := e.term.Value.(ast.Object)
	if !ok {
		return ""
	}
	member := object.Get(ast.StringTerm(name))
	if member == nil {
		return ""
	}
	text, _ := member.Value.(ast.String)
	return string(text)
}
