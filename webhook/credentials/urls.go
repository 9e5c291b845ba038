package credentials

import "strings"

var proxyAuth = re(`[^\s:/@"'$]+:([^\s@"']+)@tcp\(`)

// findURLPasswords finds URLs with a password. What follows the @ of an image, sha256 or sha512, is not a host.
func findURLPasswords(t *text) {
	if !strings.Contains(t.low, "@") {
		return
	}
	for m := mentionsOf(t.low, "://", maxMentions); m.next(); {
		password := userinfo(t.low[m.end:])
		if password == "" || isPlaceholder(password) || isCommentOrReference(t.line(m.end), "") {
			continue
		}
		t.add(Match{Detector: "URL with a password", What: "a URL with a password"}, m.end)
	}
	previous := 0
	for m := mentionsOf(t.raw, "@tcp(", maxMentions); m.next(); {
		begin := previous + strings.LastIndexAny(t.raw[previous:m.at], "\"' \t\r\n") + 1
		previous = m.end
		if groups := proxyAuth.FindStringSubmatch(t.raw[begin:m.end]); len(groups) > 0 && !isPlaceholder(lower(groups[1])) {
			t.add(Match{Detector: "URL with a password", What: "an address with a password"}, m.at)
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
