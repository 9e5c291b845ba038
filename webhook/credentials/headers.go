package credentials

import (
	"encoding/base64"
	"strings"
)

var (
	longFlag   = re(`^([a-z][a-z0-9_.\-]*)[ \t=]+["']?([^\s"'\-\\][^\s"']*)`)
	authHeader = re(`^[\\"']{0,2}(?:[ \t]*[:=,][ \t]*|[ \t]+)[\\"']{0,2}(?:bearer|basic|token|apikey|splunk)[ \t]+([^\s"'\\]{6,})`)
	wholeAuth  = re(`^\s*["']?(?i:(basic|bearer|token|apikey|splunk))[ \t]+`)
	proxyAuth  = re(`[^\s:/@"'$]+:([^\s@"']+)@tcp\(`)
)

// findFlags finds the word after a flag.
func findFlags(t *text) {
	for from, n := 0, 0; n < maxMentions; n++ {
		at := strings.Index(t.low[from:], "--")
		if at < 0 {
			return
		}
		from += at + 2
		ends := longFlag.FindStringSubmatchIndex(t.low[from:min(len(t.low), from+300)])
		if ends == nil || isCommentOrReference(t.line(from-2), "") {
			continue
		}
		name, value := t.low[from+ends[2]:from+ends[3]], t.raw[from+ends[4]:from+ends[5]]
		apart := t.raw[from+ends[3]] != '='
		if apart && (t.hasByteAt(from-3, '[') || strings.IndexByte(">&;", value[0]) >= 0) {
			continue // a usage text, or the end of a command
		}
		if isCredentialFlag(name, value) && !isUsagePlaceholder(name, value) && !isPlaceholder(lower(value)) && !namesSecret(name, value) && !repeatsName(name, value) {
			m := Match{Detector: "flag", Name: name, What: described(name)}.downgradeWords(value)
			if m.Likely && strings.Contains(t.low[from+ends[3]:from+ends[4]], "  ") {
				continue // the second column of a usage text
			}
			t.add(m, from-2)
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

// findAuthorizationHeaders finds the credential in an Authorization header.
func findAuthorizationHeaders(t *text) {
	m := Match{Detector: "header Authorization", What: "a header Authorization"}
	if groups := wholeAuth.FindStringSubmatch(t.raw[:min(len(t.raw), 64)]); groups != nil {
		value := strings.Trim(t.raw[len(groups[0]):], "\"' \t\r\n")
		if len(value) >= 8 && span(value, standard+urlSafe+".~") == len(value) && isAuthValue(lower(groups[1]), value) {
			t.add(m, 0)
			return
		}
	}
	for from, n := 0, 0; n < maxMentions; n++ {
		at := strings.Index(t.low[from:], "authorization")
		if at < 0 {
			return
		}
		from += at + len("authorization")
		groups := authHeader.FindStringSubmatch(t.low[from:min(len(t.low), from+300)])
		if len(groups) == 0 || isPlaceholder(groups[1]) || isCommentOrReference(t.line(from), "") {
			continue
		}
		t.add(m, from)
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

// findURLPasswords finds URLs with a password. What follows the @ of an image, sha256 or sha512, is not a host.
func findURLPasswords(t *text) {
	if !strings.Contains(t.low, "@") {
		return
	}
	for from, n := 0, 0; n < maxMentions; n++ {
		at := strings.Index(t.low[from:], "://")
		if at < 0 {
			break
		}
		from += at + 3
		password := userinfo(t.low[from:])
		if password == "" || isPlaceholder(password) || isCommentOrReference(t.line(from), "") {
			continue
		}
		t.add(Match{Detector: "URL with a password", What: "a URL with a password"}, from)
	}
	for from, n := 0, 0; n < maxMentions; n++ {
		at := strings.Index(t.raw[from:], "@tcp(")
		if at < 0 {
			return
		}
		at += from
		begin := from + strings.LastIndexAny(t.raw[from:at], "\"' \t\r\n") + 1
		from = at + len("@tcp(")
		if groups := proxyAuth.FindStringSubmatch(t.raw[begin:from]); len(groups) > 0 && !isPlaceholder(lower(groups[1])) {
			t.add(Match{Detector: "URL with a password", What: "an address with a password"}, at)
		}
	}
}

// userinfo returns the password of a URL, given the text after its scheme. The search ends at the next URL at
// the latest.
func userinfo(text string) string {
	colon := strings.IndexAny(text, ":/?#@\"'<> \t\r\n")
	if colon < 0 || text[colon] != ':' {
		return ""
	}
	end := strings.IndexAny(text[colon+1:], "/?#@\"'<>\\ \t\r\n")
	if end < 0 || text[colon+1+end] != '@' {
		return ""
	}
	host := text[colon+2+end:]
	if host == "" || strings.HasPrefix(host, "sha256") || strings.HasPrefix(host, "sha512") {
		return ""
	}
	return text[colon+1 : colon+1+end]
}
