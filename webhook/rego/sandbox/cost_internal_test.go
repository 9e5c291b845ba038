package sandbox

import (
	"regexp/syntax"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// The possible length of a match is never underestimated: it is four bytes per character, and unlimited if the
// pattern repeats without limit.
func TestHowLongAMatchMayBe(t *testing.T) {
	for pattern, want := range map[string]int{
		``: 0, `^$`: 0, `\b`: 0,
		`a`: 4, `abc`: 12, `[a-z]`: 4, `.`: 4, `(?s).`: 4,
		`a*`: -1, `a+`: -1, `a?`: 4, `(a)`: 4, `(abc)?`: 12,
		`ab[c-e]`: 12, `[ab]c.`: 12, `abc|d`: 12, `a|bcd|[e-g].`: 12,
		`a{3}`: 12, `(ab){2}`: 16, `a{2,5}`: 20, `a{2,}`: -1, `(a*){2}`: -1,
		`ab*`: -1, `ab*c|d`: -1, `(a|b+)?`: -1, `[ab]{2}c`: 12, `^[ab]c$`: 8,
	} {
		parsed, err := syntax.Parse(pattern, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		if got := LongestMatch(parsed); got != want {
			t.Errorf("%q: got %d, want %d", pattern, got, want)
		}
	}
}

// A call costs exactly what its function has to read.
func TestWhatACallCosts(t *testing.T) {
	pattern, long := ofBytes(10), ofBytes(6400) // a pattern of 11 instructions, of which a match has 40 bytes at most
	null := ast.NullTerm()
	many := ast.ArrayTerm(slices.Repeat([]*ast.Term{ofBytes(98)}, 64)...)
	for _, c := range []struct {
		name     string
		operands []*ast.Term
		want     int
	}{
		{"regex.match", []*ast.Term{pattern, long}, 1 + 11*6400/128},
		{"regex.match", []*ast.Term{ofBytes(2), ofBytes(3)}, 0},
		{"regex.match", []*ast.Term{ofBytes(8007), null}, 1001},
		{"regex.match", []*ast.Term{is(`"[abc"`), long}, 4 * 6400 / 128},
		{"regex.is_valid", []*ast.Term{pattern}, 1},
		{"regex.is_valid", []*ast.Term{ofBytes(1000)}, 125},
		{"regex.find_n", []*ast.Term{pattern, long, is("3")}, 1 + 11*(6400+3*40)/128},
		{"regex.find_n", []*ast.Term{pattern, long, is("-1")}, 1 + 11*(6400+6401*40)/128},
		{"regex.find_n", []*ast.Term{pattern, long, is("6402")}, 1 + 11*(6400+6401*40)/128},
		{"regex.find_n", []*ast.Term{ofBytes(100), ofBytes(300), is("2")}, 12 + 101*(300+2*300)/128},
		{"regex.find_all_string_submatch_n", []*ast.Term{pattern, long, is("3")}, 1 + 11*(6400+3*40)/128},
		{"regex.find_all_string_submatch_n", []*ast.Term{pattern, long, is(`"x"`)}, 1 + 11*(6400+6401*40)/128},
		{"regex.find_all_string_submatch_n", []*ast.Term{pattern, long, is(`1.5`)}, 1 + 11*(6400+6401*40)/128},
		{"regex.replace", []*ast.Term{long, pattern, ofBytes(5)}, 1 + 11*(6400+6401*40)/128},
		{"regex.split", []*ast.Term{pattern, long}, 1 + 11*(6400+6401*40)/128},
		{"glob.match", []*ast.Term{is(`"a"`), null, is(`"b"`)}, 1},
		// An asterisk does not cross a separator: 46 ways for the first part, one for the second, 46 for the last.
		{"glob.match", []*ast.Term{
			is(`"*.dkr.ecr.*.amazonaws.com/*/*"`), is(`["/"]`), is(`"123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/app:1.2.3"`),
		}, 1 + (29+29*62+62*62/128)/128 + 47*47/2},
		{"glob.match", []*ast.Term{is(`"*.*.svc"`), is("[]"), is(`"db.shop.svc"`)}, 1 + (7+7*11+11*11/128)/128},
		// Two asterisks in a row, and separators in braces, are placed in the whole text.
		{"glob.match", []*ast.Term{is(`"a/**/b*"`), is(`["/"]`), ofBytes(100)}, 1 + (7+7*100+100*100/128)/128 + 100*100/2/2},
		{"glob.match", []*ast.Term{is(`"*{a/,b}*"`), is(`["/"]`), ofBytes(100)}, (1 + 0) * (1 + ((8+8*100+100*100/128)/128+100*100/2/2)*2)},
		{"glob.match", []*ast.Term{is(`"abc"`), null, ofBytes(1280)}, 1 + (3+3*1280)/128},
		{"glob.match", []*ast.Term{is(`"a*c"`), null, ofBytes(1280)}, 1 + (3+3*1280)/128},
		{"glob.match", []*ast.Term{is(`"**"`), null, ofBytes(1280)}, 1 + (2+2*1280+1280*1280/128)/128},
		{"glob.match", []*ast.Term{is(`"{a,b,cd}x{e,fg}"`), null, ofBytes(1280)}, 1 + (15+15*1280)/128*3*2},
		{"glob.match", []*ast.Term{is(`"{,,"`), null, ofBytes(1280)}, 1 + (3+3*1280)/128*3},
		{"strings.replace_n", []*ast.Term{is(`{"abcde": "x", "a": "yyyyyyyy"}`), long}, (2+7+3+3+10+2+6400)/32 + 5*6400/128},
		{"strings.replace_n", []*ast.Term{is(`{}`), long}, (2+2+6400)/32 + 6400/128},
		{"strings.replace_n", []*ast.Term{null, long}, (7+2+6400)/32 + 6400/128},
		{"sort", []*ast.Term{is(`[3, 2]`)}, 0},
		{"sort", []*ast.Term{many}, (2 + 64*100) / 32 * (1 + 7/2)},
		{"sort", []*ast.Term{set(64)}, (2 + 10*3 + 54*4) / 32 * (1 + 7/2)},
	} {
		if got := costs()[c.name](newMeter(enough, &Code{}), c.operands); got != c.want {
			t.Errorf("%s of %.60v: got %d, want %d", c.name, c.operands, got, c.want)
		}
	}
	// If a match may end anywhere, the text is charged during the search: for one match, then for two, until
	// there are no more.
	for pattern, want := range map[string]int{`x.*`: 5 * 6400 / 128, `a*b?`: (1 + 2) * 7 * 6400 / 128} {
		m := newMeter(enough, &Code{})
		if got := costs()["regex.split"](m, []*ast.Term{ast.StringTerm(pattern), long}); got != 0 || m.steps != want {
			t.Errorf("%s: got %d, and %d steps", pattern, got, m.steps)
		}
	}
}

// Each function is charged for all of its operands, for their elements, or not at all.
func TestWhatIsLookedAt(t *testing.T) {
	shallow := []string{"array.concat", "array.flatten", "array.reverse", "array.slice", "object.keys"}
	constant := []string{
		"assign", "eq", "count", "object.get", "type_name", "print", "internal.print",
		"is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string",
	}
	special := []string{"regex.match", "regex.is_valid", "regex.find_n", "regex.find_all_string_submatch_n", "regex.replace", "regex.split", "glob.match", "strings.replace_n", "sort"}
	operands := []*ast.Term{ofElements(320), is(`{"a": "` + strings.Repeat("a", 320) + `", "b": 1}`), ofBytes(640), set(96), ofDigits(32), is("true")}
	for name := range allowedBuiltins() {
		price, want := costs()[name], (2+320*7+2+3+322+3+3+642+2+10*3+86*4+34+7)/32
		switch {
		case slices.Contains(special, name):
			continue
		case slices.Contains(constant, name):
			if price != nil {
				t.Errorf("%s is charged for", name)
			}
			continue
		case slices.Contains(shallow, name):
			want = (320 + 2 + 96) / 32
		}
		if got := price(newMeter(enough, &Code{}), operands); got != want {
			t.Errorf("%s: got %d, want %d", name, got, want)
		}
	}
	for result, want := range map[*ast.Term]int{
		ofBytes(1280): 10, ofElements(7): 7, set(9): 9, is(`{"a": [1, 2, 3], "b": 2}`): 2, ofDigits(300): 0, is("false"): 0,
	} {
		if got := made(result); got != want {
			t.Errorf("a result %.60v: got %d, want %d", result, got, want)
		}
	}
}
