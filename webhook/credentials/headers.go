package credentials

import (
	"encoding/base64"
	"strings"
)

var (
	authHeader = re(`^[\\"']{0,2}(?:[ \t]*[:=,][ \t]*|[ \t]+)[\\"']{0,2}(?:bearer|basic|token|apikey|splunk)[ \t]+([^\s"'\\]{6,})`)
	wholeAuth  = re(`^\s*["']?(?i:(basic|bearer|token|apikey|splunk))[ \t]+`)
)

// findAuthorizationHeaders finds the credential in an Authorization header.
func findAuthorizationHeaders(t *text) {
	found := Match{Detector: "header Authorization", What: "a header Authorization"}
	if groups := wholeAuth.FindStringSubmatch(t.raw[:min(len(t.raw), 64)]); groups != nil {
		value := strings.Trim(t.raw[len(groups[0]):], "\"' \t\r\n")
		if len(value) >= 8 && span(value, standard+urlSafe+".~") == len(value) && isAuthValue(lower(groups[1]), value) {
			t.add(found, 0)
			return
		}
	}
	for m := mentionsOf(t.low, "authorization", maxMentions); m.next(); {
		groups := authHeader.FindStringSubmatch(t.low[m.end:min(len(t.low), m.end+300)])
		if len(groups) == 0 || isPlaceholder(groups[1]) || isCommentOrReference(t.line(m.end), "") {
			continue
		}
		t.add(found, m.end)
	}
}

// isAuthValue reports whether the value after Basic or Bearer is a credential and not a word of a sentence.
func isAuthValue(scheme, value string) bool {
	if scheme == "basic" {
		decoded, err := base64.StdEncoding.DecodeString(value)
		return err == nil && strings.Contains(string(decoded), ":")
	}
	return !isPlaceholder(lower(value)) && strings.ContainsAny(value, "0123456789")
}
