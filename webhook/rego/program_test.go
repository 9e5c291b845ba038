package rego

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Messages print whole numbers without an exponent, however large they are.
func TestWholeNumbersOfParametersAreWritten(t *testing.T) {
	got, err := parameterValue(map[string]any{"seconds": 31536000.0, "ratio": 1.5})
	if err != nil || got.Compare(ast.MustParseTerm(`{"seconds": 31536000, "ratio": 1.5}`).Value) != 0 || !strings.Contains(got.String(), "31536000") {
		t.Errorf("%v, %v", got, err)
	}
}
