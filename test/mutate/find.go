package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// FindIn returns the mutants of a package's files that are compiled into the program, in source order.
func FindIn(root, folder string) ([]Mutant, error) {
	files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	if err != nil {
		return nil, err
	}
	var all []Mutant
	for _, file := range files {
		if name := filepath.Base(file); strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "zz_generated") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		mutants, err := Find(filepath.ToSlash(filepath.Join(folder, filepath.Base(file))), source)
		if err != nil {
			return nil, err
		}
		all = append(all, mutants...)
	}
	return all, nil
}

// Find returns the mutants of one file.
func Find(name string, source []byte) ([]Mutant, error) {
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	f := &finder{name: name, source: source, file: files.File(parsed.FileStart), seen: map[string]int{}}
	for _, decl := range parsed.Decls {
		if named := nameOf(decl); named != "" {
			f.decl = named
			ast.PreorderStack(decl, nil, f.visit)
		}
	}
	return f.found, nil
}

// nameOf returns the name of a declaration that can be mutated.
func nameOf(decl ast.Decl) string {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Recv == nil || len(decl.Recv.List) == 0 {
			return decl.Name.Name
		}
		receiver := decl.Recv.List[0].Type
		if star, ok := receiver.(*ast.StarExpr); ok {
			receiver = star.X
		}
		if generic, ok := receiver.(*ast.IndexExpr); ok {
			receiver = generic.X
		}
		if ident, ok := receiver.(*ast.Ident); ok {
			return ident.Name + "." + decl.Name.Name
		}
		return decl.Name.Name
	case *ast.GenDecl:
		if decl.Tok != token.VAR && decl.Tok != token.CONST {
			return ""
		}
		if spec, ok := decl.Specs[0].(*ast.ValueSpec); ok {
			return spec.Names[0].Name
		}
	}
	return ""
}

type finder struct {
	name   string
	source []byte
	file   *token.File
	decl   string
	seen   map[string]int
	found  []Mutant
}

func (f *finder) visit(node ast.Node, above []ast.Node) bool {
	if call, ok := node.(*ast.CallExpr); ok && logs(call) {
		return false // logging is not behavior
	}
	var parent ast.Node
	if len(above) > 0 {
		parent = above[len(above)-1]
	}
	f.statement(node, parent)
	f.expression(node, above)
	if ret, ok := node.(*ast.ReturnStmt); ok {
		f.result(ret, above)
	}
	return true
}

// logs reports whether a call writes to a logger.
func logs(call *ast.CallExpr) bool {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || method.Sel.Name != "Info" && method.Sel.Name != "Error" {
		return false
	}
	switch on := method.X.(type) {
	case *ast.Ident:
		return strings.Contains(strings.ToLower(on.Name), "log")
	case *ast.SelectorExpr:
		return strings.Contains(strings.ToLower(on.Sel.Name), "log")
	case *ast.CallExpr:
		return true // as in log.V(1).Info
	}
	return false
}

// add records a change of the source between two positions. with is the code to compile, shown its readable
// form.
func (f *finder) add(operator string, from, to token.Pos, with, shown string) {
	m := Mutant{
		File: f.name, Func: f.decl, Operator: operator,
		start: f.file.Offset(from), end: f.file.Offset(to), with: with,
	}
	m.show(f.source, shown)
	key := m.Func + "\x00" + m.change()
	m.nth = f.seen[key]
	f.seen[key]++
	f.found = append(f.found, m)
}

func (f *finder) text(node ast.Node) string {
	return string(f.source[f.file.Offset(node.Pos()):f.file.Offset(node.End())])
}
