package regotest_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/rego/regotest"
)

const (
	// maxRemediation is what a terminal shows in two lines.
	maxRemediation = 200
	// The lengths of values that people choose, for most objects.
	shortName  = "app"
	shortValue = 24
)

var (
	// longValue is a value so long that the message cannot be expected to stay within its limit.
	longValue  = regexp.MustCompile(fmt.Sprintf(`"[^"]{%d,}"|\S{%[1]d,}/\S+`, shortValue+1))
	longNumber = regexp.MustCompile(`\d{7,}`)
	// internal matches terms of Taffrail's own code, which users have never seen.
	internal = regexp.MustCompile(`\b(?i:taffrail|rego|input|findings?|bindings?|intents?|gaps?|guardrails?)\b|\b[a-z]+_[a-z_]+\b`)
	quoted   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	// concrete matches something that can be typed: a field with a value, or a command.
	concrete = regexp.MustCompile(`[a-z]\w*: ["{\[]?[\w$]|\b(?:kubectl|sops) -*\w`)
	command  = regexp.MustCompile(`^\S+ [a-z-]+`)
)

// All messages of policies read alike: whoever has read one denial can read them all. The rules hold for every
// finding of every case.
func TestMessagesAreOneBodyOfWriting(t *testing.T) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	for id, all := range loadCases(t) {
		for _, c := range all {
			for _, f := range *c.Findings {
				for _, complaint := range messageLaws(catalog, id, f) {
					t.Errorf("%s, %s: %q %s", id, c.Name, f.Message, complaint)
				}
			}
		}
	}
}

func messageLaws(catalog *rego.Catalog, id string, f regotest.Finding) (complaints []string) {
	broken := func(when bool, format string, args ...any) {
		if when {
			complaints = append(complaints, fmt.Sprintf(format, args...))
		}
	}
	own := quoted.ReplaceAllString(f.Message, `""`) // the policy's own words
	first, _, _ := strings.Cut(own, " ")
	broken(capitalized(first), "starts with a capital letter and no name")
	broken(strings.TrimRight(own, " .!?;,:") != own && !strings.HasSuffix(own, "?"), "ends in punctuation")
	broken(strings.Contains(own, "..") || strings.Contains(own, "  "), "has a doubled period or blank")
	broken(strings.Contains(own, `"`) && strings.Count(own, `"`)%2 != 0 || strings.ContainsAny(own, "`“”"), "quotes otherwise than with double quotes")
	if word := internal.FindString(own); word != "" {
		broken(true, "names %q, which no user knows", word)
	}
	for _, policy := range catalog.Policies() {
		broken(strings.Contains(own, policy.ID), "names policy %s", policy.ID)
	}
	if n := utf8.RuneCountInString(headline(id, f)); n > decision.MaxWarning {
		broken(true, "is a headline of %d characters, which a warning has no room for: %s", n, headline(id, f))
	}
	return complaints
}

// capitalized reports whether a word is capitalized only because it begins a sentence. EBS, NodePort and
// LimitRange/x are names.
func capitalized(word string) bool {
	letter, size := utf8.DecodeRuneInString(word)
	return unicode.IsUpper(letter) && !strings.ContainsFunc(word[size:], unicode.IsUpper) && word != "Kubernetes"
}

// headline returns the line of a warning, with names and values of a common length.
func headline(id string, f regotest.Finding) string {
	message := longValue.ReplaceAllString(f.Message, strings.Repeat("x", shortValue))
	shown := decision.Finding{Policy: id, Message: longNumber.ReplaceAllString(message, "1000000")}
	if f.Container != "" {
		shown.Container = shortName
	}
	if f.Unknown != "" {
		shown.Message = "not decided (" + f.Unknown + "): " + shown.Message
	}
	return shown.Headline()
}

// A remediation is something to type, short enough to read at a glance.
func TestRemediationsCanBeTyped(t *testing.T) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, policy := range catalog.Policies() {
		text := policy.Remediation
		if !strings.HasSuffix(text, ".") || strings.Contains(text, "..") || strings.Contains(text, "…") {
			t.Errorf("%s: %q does not end with one period", policy.ID, text)
		}
		if first, _ := utf8.DecodeRuneInString(text); !unicode.IsUpper(first) || !command.MatchString(text) {
			t.Errorf("%s: %q is not a sentence that says what to do", policy.ID, text)
		}
		if !concrete.MatchString(text) {
			t.Errorf("%s: %q has nothing in it that can be typed", policy.ID, text)
		}
		if word := internal.FindString(quoted.ReplaceAllString(text, "")); word != "" {
			t.Errorf("%s: %q names %q, which no user knows", policy.ID, text, word)
		}
		if n := utf8.RuneCountInString(text); n > maxRemediation {
			t.Errorf("%s: %q has %d characters, more than %d", policy.ID, text, n, maxRemediation)
		}
	}
}
