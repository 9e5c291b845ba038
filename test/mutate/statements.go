package main

import (
	"go/ast"
	"go/token"
)

// statement finds the mutants of a statement: removing it, or changing what it depends on.
func (f *finder) statement(node, parent ast.Node) {
	switch node := node.(type) {
	case *ast.IfStmt:
		cond := f.text(node.Cond)
		f.add("negate a condition", node.Cond.Pos(), node.Cond.End(), "!("+cond+")", "!("+cond+")")
		f.add("never take a branch", node.Cond.Pos(), node.Cond.End(), "false && ("+cond+")", "false")
	case *ast.SwitchStmt:
		f.clauses(node.Body, node.Tag == nil)
	case *ast.TypeSwitchStmt:
		f.clauses(node.Body, false)
	case *ast.BranchStmt:
		f.branch(node)
	case *ast.ExprStmt, *ast.IncDecStmt, *ast.SendStmt, *ast.DeferStmt, *ast.GoStmt:
		f.leaveOut(node, parent)
	case *ast.AssignStmt:
		if node.Tok != token.DEFINE && !onlyBlanks(node.Lhs) {
			f.leaveOut(node, parent)
		}
	case *ast.ReturnStmt:
		if _, block := parent.(*ast.BlockStmt); block && len(node.Results) == 0 {
			f.add("leave a return out", node.Pos(), node.End(), "", "")
		}
	}
}

// leaveOut moves the statement into a function that is never called, so that the variables it uses stay in use.
func (f *finder) leaveOut(node, parent ast.Node) {
	switch parent.(type) {
	case *ast.BlockStmt, *ast.CaseClause, *ast.CommClause:
		f.add("leave a statement out", node.Pos(), node.End(), "_ = func() { "+f.text(node)+" }", "")
	}
}

func onlyBlanks(to []ast.Expr) bool {
	for _, e := range to {
		if ident, ok := e.(*ast.Ident); !ok || ident.Name != "_" {
			return false
		}
	}
	return true
}

func (f *finder) branch(node *ast.BranchStmt) {
	if node.Label != nil {
		return
	}
	switch node.Tok {
	case token.BREAK, token.CONTINUE:
		other := map[token.Token]string{token.BREAK: "continue", token.CONTINUE: "break"}[node.Tok]
		f.add("go on differently", node.Pos(), node.End(), other, other)
		f.add("leave a branch statement out", node.Pos(), node.End(), "", "")
	}
}

// clauses drops each case, and each value of a case that has several.
func (f *finder) clauses(body *ast.BlockStmt, conditions bool) {
	for _, statement := range body.List {
		clause, ok := statement.(*ast.CaseClause)
		if !ok {
			continue
		}
		f.add("drop a case", clause.Pos(), clause.End(), "", "")
		if len(clause.List) > 1 {
			for at := range clause.List {
				f.drop("drop a value of a case", clause.List, at, clause.Colon)
			}
		}
		if conditions {
			for _, cond := range clause.List {
				text := f.text(cond)
				f.add("negate a condition", cond.Pos(), cond.End(), "!("+text+")", "!("+text+")")
			}
		}
	}
}

// drop removes one of several expressions from a list.
func (f *finder) drop(operator string, list []ast.Expr, at int, end token.Pos) {
	switch {
	case at+1 < len(list):
		f.add(operator, list[at].Pos(), list[at+1].Pos(), "", "")
	case at > 0:
		f.add(operator, list[at-1].End(), list[at].End(), "", "")
	default:
		f.add(operator, list[at].Pos(), end, "", "")
	}
}
