package rego

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"taffrail.dev/webhook/decision"
)

// factReads describes which parts of the input that depend on facts a policy may read. It is by names: a part of the
// input may be passed on under any other name, and what a rule reads of it then begins with that.
type factReads struct {
	// members of the input that are read; "" is the input as a whole.
	members map[string]bool
	// computed are those of which a member is read whose name is computed.
	computed map[string]bool
	// names are all that the rules write.
	names map[string]bool
}

// factRules has, for the members of input members, the facts that they depend on. A member without names depends on them
// as a whole.
var factRules = []struct {
	member string
	names  []string
	facts  []decision.Fact
}{
	{"namespace", []string{"limitRanges"}, []decision.Fact{decision.FactLimitRanges}},
	{"namespace", []string{"resourceQuotas"}, []decision.Fact{decision.FactResourceQuotas}},
	{"gaps", nil, []decision.Fact{decision.FactLimitRanges}},
	{"containers", []string{"resources"}, []decision.Fact{decision.FactLimitRanges}},
	{"workload", []string{"refusals"}, []decision.Fact{decision.FactLimitRanges}},
	{"workload", []string{"shortages"}, decision.AllFacts()},
	{"workload", []string{"autoscaler", "pods"}, []decision.Fact{decision.FactAutoscalers}},
	{"claims", []string{"known", "accessModes"}, []decision.Fact{decision.FactClaims}},
	{"claims", []string{"provisioner", "storageClass"}, []decision.Fact{decision.FactClaims, decision.FactStorageClasses}},
}

// completeFacts adds the facts that the policy's rules may read and that METADATA does not name. Otherwise, what a rule
// finds would depend on which other policies are bound. What is injected must fit the LimitRanges and quotas, too.
func (p *Policy) completeFacts(modules []*ast.Module) {
	needed := readFacts(modules).needed()
	if p.Mutates {
		needed = append(needed, decision.FactLimitRanges, decision.FactResourceQuotas)
	}
	for _, fact := range needed {
		if !slices.Contains(p.Facts, fact) {
			p.Facts, p.CompletedFacts = append(p.Facts, fact), append(p.CompletedFacts, fact)
		}
	}
}

// FactNotes explains where the facts that are read differ from what METADATA names.
func (p *Policy) FactNotes() []string {
	if len(p.CompletedFacts) == 0 {
		return nil
	}
	names := make([]string, len(p.CompletedFacts))
	for i, fact := range p.CompletedFacts {
		names[i] = string(fact)
	}
	return []string{fmt.Sprintf("It also depends on the %s of the namespace: add them to the facts in METADATA.", strings.Join(names, ", "))}
}

func readFacts(modules []*ast.Module) *factReads {
	reads := &factReads{members: map[string]bool{}, computed: map[string]bool{}, names: map[string]bool{}}
	for _, module := range modules {
		ast.NewGenericVisitor(reads.visit).Walk(module)
	}
	return reads
}

func (reads *factReads) visit(node any) bool {
	switch node := node.(type) {
	case *ast.Annotations, *ast.Package:
		return true
	case *ast.Head: // OPA's visitors skip the reference of a head
		reads.parts(node.Reference)
	case *ast.Term:
		switch value := node.Value.(type) {
		case ast.Ref:
			reads.reference(value)
			return true
		case ast.Var:
			reads.members[""] = reads.members[""] || value.Equal(ast.InputRootDocument.Value)
		case ast.String:
			reads.names[string(value)] = true
		}
	}
	return false
}

func (reads *factReads) reference(ref ast.Ref) {
	if ref.HasPrefix(ast.InputRootRef) {
		member := constantAt(ref, 1)
		reads.members[member] = true
		if len(ref) > 2 && constantAt(ref, 2) == "" {
			reads.computed[member] = true
		}
	} else {
		ast.NewGenericVisitor(reads.visit).Walk(ref[0])
	}
	reads.parts(ref)
}

// parts reads what follows the head of a reference.
func (reads *factReads) parts(ref ast.Ref) {
	for i, term := range ref {
		if name := constantAt(ref, i); i > 0 && name != "" {
			reads.names[name] = reads.names[name] || !asWritten(ref, i)
		} else if i > 0 {
			ast.NewGenericVisitor(reads.visit).Walk(term)
		}
	}
}

// asWritten reports whether a part of a reference is the field resources as it is in the object, of a container or a
// Pod, and not what LimitRanges make of it.
func asWritten(ref ast.Ref, at int) bool {
	if constantAt(ref, at) != "resources" {
		return false
	}
	head, _ := ref[at-1].Value.(ast.Var)
	before := constantAt(ref, at-1)
	return before == "spec" || head == "spec" || at == 2 && before == "workload"
}

// needed returns the facts that the rules may read.
func (reads *factReads) needed() (facts []decision.Fact) {
	for _, rule := range factRules {
		if !reads.members[""] && !reads.members[rule.member] {
			continue
		}
		named := rule.names == nil && reads.members[rule.member] ||
			slices.ContainsFunc(rule.names, func(name string) bool { return reads.names[name] })
		// The members of the others are containers, claims and fields.
		anyOf := reads.computed[rule.member] && slices.Contains([]string{"namespace", "workload"}, rule.member)
		if !named && !anyOf {
			continue
		}
		for _, fact := range rule.facts {
			if !slices.Contains(facts, fact) {
				facts = append(facts, fact)
			}
		}
	}
	return facts
}
