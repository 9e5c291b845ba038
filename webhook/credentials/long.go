package credentials

import (
	"encoding/base64"
	"strings"
)

// webToken reads a JSON Web Token, which may be thousands of characters long. The length is that of its first
// part alone, because another token may begin at the second: no part is read more than twice.
func webToken(text string) (length int, found bool) {
	const least = len("eyJ") + 8
	header := span(text, urlSafe)
	rest, dotted := strings.CutPrefix(text[header:], ".")
	if header < least || !dotted || !strings.HasPrefix(rest, "eyJ") {
		return header, false
	}
	payload := span(rest, urlSafe)
	signature, dotted := strings.CutPrefix(rest[payload:], ".")
	return header, payload >= least && dotted && span(signature[:min(len(signature), 10)], urlSafe) == 10
}

// registryLogin is what comes before user and password in a Docker configuration.
var registryLogin = re(`^\\?"auth\\?"\s{0,20}:\s{0,20}\\?"`)

// registryAuth reads the user and password of a registry. Cloud providers hand out passwords of several
// thousand characters.
func registryAuth(text string) (length int, found bool) {
	begin := len(registryLogin.FindString(text[:min(len(text), 64)]))
	if begin == 0 {
		return 0, false
	}
	end := begin + span(text[begin:], standard)
	decoded, err := base64.StdEncoding.DecodeString(text[begin:end])
	if err != nil || end == len(text) || text[end] != '"' && text[end] != '\\' {
		return end, false
	}
	_, password, ok := strings.Cut(string(decoded), ":")
	return end, ok && !vacant(lower(password))
}

// The alphabets of base64.
const (
	alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	urlSafe      = alphanumeric + "-_"
	standard     = alphanumeric + "+/="
)

// span is how many bytes of an alphabet a text begins with.
func span(text, alphabet string) int {
	return len(text) - len(strings.TrimLeft(text, alphabet))
}
