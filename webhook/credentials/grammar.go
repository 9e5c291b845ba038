package credentials

import (
	"regexp"
	"strings"
)

// grammar matches what the grammar of a language or configuration format defines as a credential.
type grammar struct {
	detector, what string
	// needle, in lower case, is where the pattern begins.
	needle string
	// pattern has the value as its last group.
	pattern *regexp.Regexp
	// The whole text must contain this, in lower case.
	requiredText string
}

var grammars = []grammar{
	{"SQL", "a password in SQL", "identified ", re(`^(?i:identified (?:with \S+ )?by) +['"]([^'"\s]+)`), ""},
	{"PowerShell", "a password in PowerShell", "convertto-securestring", re(`^(?i:convertto-securestring(?:\s+-(?:asplaintext|force|string))*)\s+["']([^"'$\s]+)["']`), "-asplaintext"},
	{"JAAS", "a user's password", "user_", re(`^(?i:user_[a-z0-9_.-]+)\s*=\s*\\?"([^"$\s\\]+)\\?"`), "loginmodule"},
	{"Consul", "a gossip key", "encrypt", re(`^(?i:encrypt)\\?"?\s*[=:]\s*\\?["']?([A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{22}==)(?:[^A-Za-z0-9+/=]|$)`), ""},
	{"Consul", "a token for Consul", "tokens", re(`^(?i:tokens\\?"?\s*[=:]?\s*\{[^{}]{0,200}?\b(?:agent|default|master|initial_management|agent_master|agent_recovery|replication|dns)\\?"?\s*[=:]\s*\\?")([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})`), ""},
	{"JSON Web Key", "a private JSON Web Key", `"d"`, re(`^(?i:"d")\s*:\s*"([A-Za-z0-9_-]{42,})"`), `"kty"`},
	{"JSON Web Key", "a secret JSON Web Key", `"k"`, re(`^(?i:"k")\s*:\s*"([A-Za-z0-9_-]{16,})"`), `"oct"`},
}

// findGrammarValues finds what the grammar of a language defines as a credential.
func findGrammarValues(t *text) {
	for i := range grammars {
		g := &grammars[i]
		if g.requiredText != "" && !strings.Contains(t.low, g.requiredText) {
			continue
		}
		for m := mentionsOf(t.low, g.needle, maxMentions); m.next(); {
			groups := g.pattern.FindStringSubmatch(t.raw[m.at:min(len(t.raw), m.at+400)])
			if len(groups) == 0 || isPlaceholder(lower(groups[1])) || comment.MatchString(t.line(m.at)) {
				continue
			}
			t.add(Match{Detector: g.detector, What: g.what}, m.at)
		}
	}
}
