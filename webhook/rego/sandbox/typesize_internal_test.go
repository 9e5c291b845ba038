package sandbox

import (
	"math"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// The type-checking cost of a rule counts the parts of its value twice, plus what its variables stand for.
func TestWhatARuleCostsToType(t *testing.T) {
	const a = "data.taffrail.user.p.a"
	for rule, want := range map[string]int{
		`r = 1`: 1, `r = [1, "x"]`: 5, `r = [[1]]`: 1 + 2*3, `r = {1, 2, 3}`: 7, `r = {"k": 1}`: 5, `r = []`: 1, `r = input.x`: 1,
		`r = ` + a: 6, `r = ` + a + `[0]`: 6, `r = [` + a + `, 1]`: 1 + 12 + 2, `r = {` + a + `}`: 13, `r = {"k": ` + a + `}`: 1 + 2 + 12, `r = data.taffrail.lib.x.a`: 1,
		`r = data.taffrail.user.p`:   1 + 5 + 1, // the whole package, and the rule itself while its cost is computed
		`r = x if { x = ` + a + ` }`: 6, `r = x if { ` + a + ` = x }`: 6, `r = [x, y] if { x = ` + a + `; y = [x] }`: 1 + 2*6 + 2*(1+2*6), `r = x if { x = [x] }`: 3,
		`r = x[0] if { x = ` + a + ` }`:                            6,
		`r = [x | x = ` + a + `]`:                                  13,
		`r = {x | x = ` + a + `}`:                                  13,
		`r = {k: v | k = "k"; v = ` + a + `}`:                      1 + 2 + 12,
		`r contains x if { x = ` + a + ` }`:                        6,
		`r[x] = y if { x = "k"; y = ` + a + ` }`:                   7,
		`r = 1 if { input.x } else = ` + a + ` if { input.y }`:     1 + 6,
		`r = 1 if { input.x }` + "\n\n" + `r = [1] if { input.y }`: 1 + 3,
		`r(x) = x if { input.x }`:                                  1,
	} {
		module, err := ast.ParseModuleWithOpts("p.rego", "package taffrail.user.p\n\n"+rule+"\n\na = [1, 2]\n", ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Fatal(rule, err)
		}
		cost := &typeCost{module: module, rules: map[string]int{}}
		if got := cost.rule(module.Rules[0]); got != want {
			t.Errorf("%s: got %d, want %d", rule, got, want)
		}
	}
	if plus(math.MaxInt32, math.MaxInt32) != math.MaxInt32 || plus(1, 2) != 3 {
		t.Error("sums have no end")
	}
}

// The error is reported for the rule at which a policy becomes too large; a policy just below the limit is
// accepted.
func TestAPolicyThatIsTooLargeToType(t *testing.T) {
	chain := func(n int) *ast.Module {
		var text strings.Builder
		text.WriteString("package taffrail.user.p\n\nr0 = 1\n\n")
		for i := range n {
			text.WriteString(strings.NewReplacer("N", string(rune('a'+i+1)), "M", "data.taffrail.user.p."+map[bool]string{true: "r0", false: "r" + string(rune('a'+i))}[i == 0]).Replace("rN = [M, M]\n\n"))
		}
		module, err := ast.ParseModuleWithOpts("p.rego", text.String(), ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Fatal(err)
		}
		return module
	}
	if faults := checkTypeSize(chain(10)); len(faults) > 0 {
		t.Errorf("got %v", faults)
	}
	faults := checkTypeSize(chain(20))
	if len(faults) != 1 || faults[0].Code != CodeSize || faults[0].Row != 27 || faults[0].Reason != "rm is built from values that contain one another too many times" {
		t.Errorf("got %+v", faults)
	}
}
