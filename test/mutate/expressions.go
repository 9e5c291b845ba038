package main

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// expression finds the mutants of an expression.
func (f *finder) expression(node ast.Node, above []ast.Node) {
	switch node := node.(type) {
	case *ast.BinaryExpr:
		f.binary(node, above)
	case *ast.UnaryExpr:
		if node.Op == token.NOT {
			f.add("leave a not out", node.OpPos, node.X.Pos(), "", "")
		}
	case *ast.CompositeLit:
		for at := range node.Elts {
			f.drop("drop an element", node.Elts, at, node.Rbrace)
		}
	case *ast.CallExpr:
		if name, ok := node.Fun.(*ast.Ident); ok && (name.Name == "min" || name.Name == "max") {
			other := map[string]string{"min": "max", "max": "min"}[name.Name]
			f.add("swap min and max", name.Pos(), name.End(), other, other)
		}
	case *ast.Ident:
		if other, ok := map[string]string{"true": "false", "false": "true"}[node.Name]; ok {
			f.add("change a constant", node.Pos(), node.End(), other, other)
		}
	case *ast.BasicLit:
		f.literal(node, above)
	}
}

func (f *finder) binary(node *ast.BinaryExpr, above []ast.Node) {
	swaps := map[token.Token]string{
		token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">",
		token.LAND: "||", token.LOR: "&&", token.MUL: "/", token.QUO: "*",
	}
	end := node.OpPos + token.Pos(len(node.Op.String()))
	switch node.Op {
	case token.LAND, token.LOR:
		constant := map[token.Token]string{token.LAND: "true || ", token.LOR: "false && "}[node.Op]
		shown := map[token.Token]string{token.LAND: "true", token.LOR: "false"}[node.Op]
		for _, side := range []ast.Expr{node.X, node.Y} {
			f.add("leave an operand out", side.Pos(), side.End(), "("+constant+"("+f.text(side)+"))", shown)
		}
	case token.EQL, token.NEQ:
		if parent, ok := above[len(above)-1].(*ast.IfStmt); !ok || parent.Cond != node { // otherwise negated as a condition
			other := map[token.Token]string{token.EQL: "!=", token.NEQ: "=="}[node.Op]
			f.add("swap a comparison", node.OpPos, end, other, other)
		}
	case token.ADD, token.SUB:
		if !text(node.X) && !text(node.Y) {
			other := map[token.Token]string{token.ADD: "-", token.SUB: "+"}[node.Op]
			f.add("swap an operator", node.OpPos, end, other, other)
		}
	}
	if other, ok := swaps[node.Op]; ok {
		f.add("swap an operator", node.OpPos, end, other, other)
	}
}

// text reports whether an expression appears to be a string.
func text(e ast.Expr) bool {
	found := false
	ast.Inspect(e, func(node ast.Node) bool {
		literal, ok := node.(*ast.BasicLit)
		found = found || ok && literal.Kind == token.STRING
		return !found
	})
	return found
}

// literal changes numbers, and the words that the program compares, but not messages.
func (f *finder) literal(node *ast.BasicLit, above []ast.Node) {
	switch node.Kind {
	case token.INT:
		if n, err := strconv.ParseInt(node.Value, 0, 64); err == nil {
			const small = 16 // larger numbers are limits rather than counts
			other := strconv.FormatInt(n+1, 10)
			if n > small {
				other = strconv.FormatInt(2*n, 10)
			}
			f.add("change a constant", node.Pos(), node.End(), other, other)
		}
	case token.STRING:
		value, err := strconv.Unquote(node.Value)
		if err != nil || value == "" || strings.ContainsAny(value, " %\n") || ofMessage(above) {
			return
		}
		other := strconv.Quote("mutated")
		f.add("change a constant", node.Pos(), node.End(), other, other)
	}
}

// ofMessage reports whether a literal is part of a message, the path of an import, a tag, or the key of an
// element, which is dropped as a whole.
func ofMessage(above []ast.Node) bool {
	switch parent := above[len(above)-1].(type) {
	case *ast.ImportSpec, *ast.Field:
		return true
	case *ast.KeyValueExpr:
		_, literal := parent.Key.(*ast.BasicLit)
		return literal
	}
	return slices.ContainsFunc(above, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return false
		}
		function, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		of, ok := function.X.(*ast.Ident)
		return ok && (of.Name == "fmt" || of.Name == "errors")
	})
}

// result replaces each result of a return statement with the zero value, and negates a condition.
func (f *finder) result(ret *ast.ReturnStmt, above []ast.Node) {
	types := resultTypes(above)
	if len(types) != len(ret.Results) {
		return
	}
	for i, e := range ret.Results {
		of, expr := f.text(types[i]), f.text(e)
		switch {
		case zero(e):
		case of == "bool":
			if ident, ok := e.(*ast.Ident); !ok || ident.Name != "true" {
				f.add("negate a result", e.Pos(), e.End(), "!("+expr+")", "!("+expr+")")
			}
		default:
			f.add("return the zero value", e.Pos(), e.End(), "func("+of+") (zero "+of+") { return }("+expr+")", "*new("+of+")")
		}
	}
}

// resultTypes returns the types of the innermost function's results.
func resultTypes(above []ast.Node) []ast.Expr {
	for _, node := range slices.Backward(above) {
		var function *ast.FuncType
		switch node := node.(type) {
		case *ast.FuncLit:
			function = node.Type
		case *ast.FuncDecl:
			function = node.Type
		default:
			continue
		}
		var types []ast.Expr
		if function.Results == nil {
			return nil
		}
		for _, field := range function.Results.List {
			for range max(1, len(field.Names)) {
				types = append(types, field.Type)
			}
		}
		return types
	}
	return nil
}

// zero reports whether an expression appears to be the zero value.
func zero(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "nil" || e.Name == "false"
	case *ast.BasicLit:
		return e.Value == "0" || e.Value == `""`
	case *ast.CompositeLit:
		return len(e.Elts) == 0
	}
	return false
}
