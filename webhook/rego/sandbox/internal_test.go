package sandbox

import (
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// enough steps for what a test does not exhaust.
const enough = 250_000

// Every limited function exists, is allowed, and is registered under its new name.
func TestLimitedBuiltinsAreAllowedOnes(t *testing.T) {
	allowed, builtins := allowedBuiltins(), Builtins()
	for name := range limitedBuiltins() {
		if !allowed[name] || topdown.GetBuiltin(name) == nil {
			t.Errorf("%s is not allowed", name)
		}
		if ref := ast.MustParseRef(limitedPrefix + name); builtins[ref.String()] == nil {
			t.Errorf("%s is not found as %s", name, ref)
		}
	}
	// All others read only little: a function that is newly allowed needs a cost.
	for name := range allowed {
		if _, limited := limitedBuiltins()[name]; !limited && !constantBuiltins()[name] {
			t.Errorf("%s is allowed, but has neither a cost nor a constant one", name)
		}
	}
}

// Measuring a value with shared parts ends in time.
func TestMeasuringEnds(t *testing.T) {
	shared := ast.NumberTerm("1")
	for range 100 {
		shared = ast.ArrayTerm(shared, shared)
	}
	if got := Rendered(shared); got <= maxText || got > 2*maxText {
		t.Errorf("got %d", got)
	}
	if m := newMeter(enough, &Code{}); m.sizeOf(shared) < 1<<30 || m.steps > 100 {
		t.Errorf("a size of %d after %d steps", m.sizeOf(shared), m.steps)
	}
	if got := Rendered(ast.MustParseTerm(`{"a": [1, "two", {"x": null}]}`)); got < 20 || got > 60 {
		t.Errorf("got %d", got)
	}
}
