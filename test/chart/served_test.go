package chart

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// served is what the source of the webhook declares: each metric with its labels, and every string, which
// include the values of labels. A running server cannot be used instead, because it shows no counter before the
// first count.
type served struct {
	labels map[string][]string
	texts  map[string]bool
}

func readServed(t *testing.T) *served {
	t.Helper()
	s := &served{labels: map[string][]string{}, texts: map[string]bool{}}
	err := filepath.WalkDir(filepath.Join(root, "webhook"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				s.texts[text(n)] = true
			case *ast.CallExpr:
				if function, ok := n.Fun.(*ast.SelectorExpr); ok && strings.HasPrefix(function.Sel.Name, "New") {
					s.add(n)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.labels) < 10 {
		t.Fatalf("found only %v: the test would hold nothing", s.labels)
	}
	return s
}

// add finds the name and the labels in prometheus.NewXVec(XOpts{Name: …}, labels) and in
// prometheus.NewDesc(name, help, labels, nil).
func (s *served) add(call *ast.CallExpr) {
	name := ""
	var labels []string
	for _, argument := range call.Args {
		if named := text(argument); name == "" && strings.HasPrefix(named, "taffrail_") {
			name = named
		}
		list, ok := argument.(*ast.CompositeLit)
		if !ok {
			continue
		}
		for _, element := range list.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); !ok {
				labels = append(labels, text(element))
			} else if key, ok := pair.Key.(*ast.Ident); ok && key.Name == "Name" {
				name = text(pair.Value)
			}
		}
	}
	if strings.HasPrefix(name, "taffrail_") {
		s.labels[name] = labels
	}
}

func text(n ast.Node) string {
	literal, ok := n.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return ""
	}
	value, err := strconv.Unquote(literal.Value)
	if err != nil {
		return ""
	}
	return value
}
