package credentials

import (
	"regexp"
	"slices"
	"strings"
)

// endings is a pattern for names whose matches all end in one of a few texts. Looking at the end of a
// name is much cheaper than matching, and most names end in something else.
type endings struct {
	pattern *regexp.Regexp
	texts   []string
}

func ending(pattern string, texts ...string) *endings {
	return &endings{regexp.MustCompile(pattern), texts}
}

// MatchString reports whether the pattern matches a name.
func (e *endings) MatchString(name string) bool {
	return endsIn(name, e.texts) && e.pattern.MatchString(name)
}

func endsIn(name string, texts []string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return strings.HasSuffix(name, text) })
}

// nounNames is a pattern for names that also matches whatever ends in one of a few texts.
type nounNames struct {
	pattern *regexp.Regexp
	texts   []string
}

// MatchString reports whether the pattern matches a name.
func (n *nounNames) MatchString(name string) bool {
	return endsIn(name, n.texts) || n.pattern.MatchString(name)
}
