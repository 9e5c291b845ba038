package compile

import "strings"

// linear leaves the call to OPA: for functions whose work and result are about as large as their arguments, or a few
// times as large.
func linear(m *Machine, call *builtinCall, a, b, c any) any {
	return call.opa(m, a, b, c)
}

// growths has how many bytes OPA's own functions may write for each of a text: json.marshal writes a control character as
// \u0000.
var growths = map[string]int{
	"json.marshal": 6, "hex.encode": 2, "base64.encode": 2, "glob.quote_meta": 2, "strings.reverse": 1,
	"base64.decode": 1, "base64url.decode": 1, "hex.decode": 1, "urlquery.decode": 1,
}

// version is for functions about versions, whose parser takes a text apart.
func version(m *Machine, call *builtinCall, a, b, _ any) any {
	for _, v := range []any{a, b} {
		text, _ := v.(string)
		m.alloc(10 * len(text))
	}
	return call.opa(m, a, b)
}

// parsed is for functions that make values of a text, which take much more memory than the text: most of all in YAML,
// whose parser keeps everything several times. A text that refers to parts of itself, as YAML can, may be a hundred
// times as large as it looks.
func parsed(m *Machine, call *builtinCall, a, b, c any) any {
	text, _ := a.(string)
	values := 1
	for i := range len(text) {
		switch text[i] {
		case ',', ':', '[', '{', '-', '\n':
			values++
		}
	}
	if strings.HasPrefix(call.name, "yaml.") {
		m.alloc(16 * len(text))
		if strings.Contains(text, "&") && strings.Contains(text, "*") {
			values += 50 * len(text)
		}
	}
	m.step(values + len(text)/8)
	m.alloc(8 * slot * values)
	return call.opa(m, a, b, c)
}
