package report

import (
	"regexp"
	"strings"

	"taffrail.dev/webhook/decision"
)

// kubectlCommand returns a command line that prints an object of a cluster. It does not print the values of a
// Secret.
func kubectlCommand(o *Object) string {
	kind := strings.ToLower(o.Request.Kind.Kind)
	if group := o.Request.Kind.Group; group != "" {
		kind += "." + group
	}
	words := []string{"kubectl", "get", shellWord(kind + "/" + decision.RedactValue(o.Request.Name))}
	if o.Request.Kind.Group == "" && o.Request.Kind.Kind == "Secret" {
		words[1] = "describe"
	}
	if namespace := o.Request.Namespace.Name; namespace != "" {
		words = append(words, shellWord("--namespace="+namespace))
	}
	if o.Context != "" {
		words = append(words, shellWord("--context="+o.Context))
	}
	if words[1] == "get" {
		words = append(words, "--output=yaml")
	}
	return strings.Join(words, " ")
}

// shellWord quotes a text for a POSIX shell, unless it contains only characters that need no quotes.
func shellWord(text string) string {
	if regexp.MustCompile(`^[\w@%+=:,./-]+$`).MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
