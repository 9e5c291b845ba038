package compile

import "taffrail.dev/webhook/rego/sandbox"

func globMatch(m *Machine, call *builtinCall, a, b, c any) any {
	pattern, ok := a.(string)
	separators, also := separatorsOf(b)
	text, isText := c.(string)
	if !ok || !also || !isText {
		return call.opa(m, a, b, c)
	}
	compiled := m.globOf(pattern, separators)
	if compiled == nil {
		return call.opa(m, a, b, c)
	}
	m.step(sandbox.GlobCost(pattern, text, separators))
	return compiled.Match(text)
}
