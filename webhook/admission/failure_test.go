package admission

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// An alert notices the first error of a reason only if its time series existed before.
func TestEveryReasonIsCountedFromNothing(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "failure.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	constants := 0
	ast.Inspect(file, func(n ast.Node) bool {
		value, ok := n.(*ast.ValueSpec)
		if !ok || len(value.Names) != 1 || !strings.HasPrefix(value.Names[0].Name, "reason") {
			return true
		}
		constants++
		literal, _ := value.Values[0].(*ast.BasicLit)
		if literal == nil || !slices.Contains(Reasons(), Reason(strings.Trim(literal.Value, `"`))) {
			t.Errorf("%s is none of reasons", value.Names[0].Name)
		}
		return true
	})
	if constants == 0 || constants != len(Reasons()) {
		t.Errorf("%d constants, %d reasons", constants, len(Reasons()))
	}
}
