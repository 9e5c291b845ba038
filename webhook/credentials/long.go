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

var (
	keyBegins = re(`^-----BEGIN (?:(?:RSA|EC|DSA|OPENSSH|PGP|ENCRYPTED|SSH2 ENCRYPTED) )?PRIVATE KEY(?: BLOCK)?-----`)
	keyHeader = re(`^(?:Proc-Type|DEK-Info|Version|Comment):`)
)

// maxHeaders is how much of the headers of a key is looked at. Another key may begin in them.
const maxHeaders = 16 << 10

// privateKey reads the beginning of a private key in PEM, behind any number of blanks. Line breaks may be escaped, as
// in JSON. The length ends where headers may begin.
func privateKey(text string) (length int, found bool) {
	length = len(keyBegins.FindString(text[:min(len(text), 64)]))
	if length == 0 {
		return 0, false
	}
	length += blanks(text[length:])
	rest := text[length:min(len(text), length+maxHeaders)]
	for keyHeader.MatchString(rest[:min(len(rest), 16)]) {
		end := strings.IndexAny(rest, "\n\\")
		if end < 0 || strings.Contains(rest[:end], "-----BEGIN ") { // which is looked at by itself
			return length, false
		}
		rest = rest[end:]
		rest = rest[blanks(rest):]
	}
	return length, span(rest[:min(len(rest), 16)], alphanumeric+"+/") == 16
}

// blanks is how many bytes of blanks and line breaks a text begins with, with what escapes them.
func blanks(text string) (n int) {
	for n < len(text) {
		slashes := span(text[n:], `\`)
		switch rest := text[n+slashes:]; {
		case slashes > 0 && (strings.HasPrefix(rest, "n") || strings.HasPrefix(rest, "r")), slashes == 0 && strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			n += slashes + 1
		default:
			return n
		}
	}
	return n
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
