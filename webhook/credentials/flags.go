package credentials

import "strings"

var longFlag = re(`^([a-z][a-z0-9_.\-]*)[ \t=]+["']?([^\s"'\-\\][^\s"']*)`)

// findFlags finds the word after a flag.
func findFlags(t *text) {
	for m := mentionsOf(t.low, "--", maxMentions); m.next(); {
		from := m.end
		ends := longFlag.FindStringSubmatchIndex(t.low[from:min(len(t.low), from+300)])
		if ends == nil || isCommentOrReference(t.line(m.at), "") {
			continue
		}
		name, value := t.low[from+ends[2]:from+ends[3]], t.raw[from+ends[4]:from+ends[5]]
		apart := t.raw[from+ends[3]] != '='
		if apart && (t.hasByteAt(m.at-1, '[') || strings.IndexByte(">&;", value[0]) >= 0) {
			continue // a usage text, or the end of a command
		}
		if isCredentialFlag(name, value) && !isUsagePlaceholder(name, value) && !isPlaceholder(lower(value)) && !namesSecret(name, value) && !repeatsName(name, value) {
			found := Match{Detector: "flag", Name: name, What: described(name)}.downgradeWords(value)
			if found.Likely && strings.Contains(t.low[from+ends[3]:from+ends[4]], "  ") {
				continue // the second column of a usage text
			}
			t.add(found, m.at)
		}
	}
}

// hasByteAt reports whether a byte is at a position.
func (t *text) hasByteAt(at int, with byte) bool { return at >= 0 && t.raw[at] == with }

// isCredentialFlag reports whether a flag's name says that its value is a credential. A flag with a scheme as its
// value, such as --auth=oidc, counts only if the value has a user and a password.
func isCredentialFlag(flag, value string) bool {
	low := lower(flag)
	return Named(flag) && (!authNames.MatchString(low) || certainNames.MatchString(low) || isAuth(low, value) || isRandom(value))
}

// isUsagePlaceholder reports whether a value is a placeholder of a usage text: --password PASSWORD, [--api-key KEY].
// In lower case it would be a weak password.
func isUsagePlaceholder(name, value string) bool {
	value = strings.TrimRight(value, `])}>.,;`)
	return value != "" && value == strings.ToUpper(value) && strings.HasSuffix(strings.ReplaceAll(name, "-", "_"), lower(value))
}
