package decision

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxAts limits how many @ in a word are considered, from each of its ends.
const maxAts = 4

// userinfo returns what precedes an @ and a host: user:password@host with or without a scheme,
// and a token without a colon in a URL or before a registry.
func userinfo(text string, regions []span) (spans []span) {
	for _, r := range regions {
		word := text[r.begin:r.end]
		ats := atSigns(word)
		if len(ats) > 2*maxAts {
			ats = append(ats[:maxAts:maxAts], ats[len(ats)-maxAts:]...)
		}
		// A password may contain an @, so spans may overlap.
		for _, at := range ats {
			if begin := userBegin(word[:at.begin], word[at.end:]); begin < at.begin {
				spans = append(spans, span{r.begin + begin, r.begin + at.begin})
			}
		}
	}
	return spans
}

// atSigns returns every @, including those escaped as %40 in the query of a URL.
func atSigns(word string) (ats []span) {
	for i := 0; i < len(word); i++ {
		switch {
		case word[i] == '@':
			ats = append(ats, span{i, i + 1})
		case strings.HasPrefix(word[i:], "%40"):
			ats = append(ats, span{i, i + len("%40")})
		}
	}
	return ats
}

// words returns the parts of text between spaces, and between double quotes that are not
// escaped. A quoted text on one line that contains spaces is returned as a whole too.
func words(text string) []span {
	if !strings.Contains(text, "@") && !strings.Contains(text, "%40") {
		return nil
	}
	var spans []span
	word, quote, blanks := 0, -1, false
	add := func(begin, end int) {
		if begin < end {
			spans = append(spans, span{begin, end})
		}
	}
	escaped := false
	for i, r := range text {
		switch {
		case escaped:
			escaped = false
		case r == '\\':
			escaped = true
		case r == '"':
			add(word, i)
			if quote >= 0 && blanks {
				add(quote, i)
			}
			word, blanks = i+1, false
			if quote >= 0 {
				quote = -1
			} else {
				quote = i + 1
			}
		case unicode.IsSpace(r):
			add(word, i)
			word, blanks = i+utf8.RuneLen(r), true
			if r == '\n' {
				quote = -1
			}
		}
	}
	add(word, len(text))
	if quote >= 0 && blanks {
		add(quote, len(text))
	}
	return spans
}

// userBegin returns where the userinfo in left begins, given that an @ and right follow. It
// returns the length of left if there is none.
func userBegin(left, right string) int {
	none := len(left)
	if left == "" || isDigest(right) {
		return none
	}
	low, begin, isURL := lower(left), 0, false
	for _, separator := range []string{"://", "%3a%2f%2f"} {
		for from := 0; ; {
			i := strings.Index(low[from:], separator)
			if i < 0 {
				break
			}
			from += i + len(separator)
			isURL, begin = true, max(begin, from)
			authority := left[from:]
			end := strings.IndexAny(authority, "/?#")
			if end < 0 || strings.ContainsRune(authority[:end], ':') {
				return from
			}
		}
	}
	if right == "" && !isURL {
		return none // nginx:1.27.3@ is only a typo
	}
	rest := left[begin:]
	colon := strings.IndexByte(rest, ':')
	if escaped := strings.Index(low[begin:], "%3a"); escaped >= 0 && (colon < 0 || escaped < colon) {
		colon = escaped
	}
	if colon < 0 {
		host := run(right, alnum+".-")
		if isURL || host == 0 || host == len(right) || right[host] != '/' && right[host] != ':' {
			return none // an email address, or a path
		}
		colon = len(rest)
	}
	begin += strings.LastIndexFunc(rest[:colon], func(r rune) bool { return !strings.ContainsRune(dotted+"+~$*%!", r) }) + 1
	if begin > 0 && left[begin-1] == '\\' {
		begin-- // an escape such as \n
	}
	return begin
}

// lower converts ASCII letters to lower case. Unlike strings.ToLower, it preserves the length
// of text.
func lower(text string) string {
	low := []byte(text)
	for i, c := range low {
		if 'A' <= c && c <= 'Z' {
			low[i] = c + 'a' - 'A'
		}
	}
	return string(low)
}

// isDigest reports whether text, which follows an @, is the digest of an image.
func isDigest(text string) bool {
	for _, algorithm := range []string{"sha256:", "sha384:", "sha512:"} {
		if rest, ok := strings.CutPrefix(text, algorithm); ok {
			rest = rest[run(rest, hexadecimal):]
			return rest == "" || strings.IndexByte(token68+"@:%", rest[0]) < 0
		}
	}
	return false
}
