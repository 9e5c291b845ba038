package credentials

import (
	"encoding/base64"
	"strings"
)

// webToken recognizes a JSON Web Token, which may be thousands of characters long. The length covers only its
// first part, because another token may begin at the second; so no part is read more than twice.
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

// maxHeaders limits how much of a key's headers is examined. Another key may begin in them.
const maxHeaders = 16 << 10

// privateKey recognizes the beginning of a private key in PEM, after any number of blanks. Line breaks may be
// escaped, as in JSON. The length ends where headers may begin.
func privateKey(text string) (length int, found bool) {
	length = len(keyBegins.FindString(text[:min(len(text), 64)]))
	if length == 0 {
		return 0, false
	}
	length += blanks(text[length:])
	rest := text[length:min(len(text), length+maxHeaders)]
	for keyHeader.MatchString(rest[:min(len(rest), 16)]) {
		end := strings.IndexAny(rest, "\n\\")
		if end < 0 || strings.Contains(rest[:end], "-----BEGIN ") { // the other one is examined on its own
			return length, false
		}
		rest = rest[end:]
		rest = rest[blanks(rest):]
	}
	return length, span(rest[:min(len(rest), 16)], alphanumeric+"+/") == 16
}

// blanks returns the number of leading bytes that are blanks, line breaks, or their escape sequences.
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

// registryLogin matches what precedes user and password in a Docker configuration.
var registryLogin = re(`^\\?"auth\\?"\s{0,20}:\s{0,20}\\?"`)

// registryAuth recognizes the user and password of a registry. Cloud providers issue passwords of several
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
	return end, ok && !isPlaceholder(lower(password))
}

// The alphabets of base64.
const (
	alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	urlSafe      = alphanumeric + "-_"
	standard     = alphanumeric + "+/="
)

// span returns the number of leading bytes that belong to an alphabet.
func span(text, alphabet string) int {
	return len(text) - len(strings.TrimLeft(text, alphabet))
}
