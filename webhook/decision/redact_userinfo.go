package decision

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxAts is how many @ of one word are looked at from its end, and as many from its beginning.
const maxAts = 4

// userinfo finds what stands before an @ that a host follows: user:password@host with or
// without a scheme, and a token without a colon in a URL or before a registry.
func userinfo(text string, regions []span) (spans []span) {
	for _, r := range regions {
		word := text[r.begin:r.end]
		ats := atSigns(word)
		if len(ats) > 2*maxAts {
			ats = append(ats[:maxAts:maxAts], ats[len(ats)-maxAts:]...)
		}
		// A password may have an @ in it, so that spans may overlap.
		for _, at := range ats {
			if begin := userBegin(word[:at.begin], word[at.end:]); begin < at.begin {
				spans = append(spans, span{r.begin + begin, r.begin + at.begin})
			}
		}
	}
	return spans
}

// atSigns finds every @, which is %40 inside of a URL's query.
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

// words are the parts of text between blanks, and between double quotes that are not
// escaped; and what is in such quotes on one line as a whole.
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

// userBegin is where userinfo begins in left, which an @ follows and then right, or the
// length of left if there is none.
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
		return none // nginx:1.27.3@ is only a slip
	}
	rest := left[begin:]
	colon := strings.IndexByte(rest, ':')
	if escaped := strings.Index(low[begin:], "%3a"); escaped >= 0 && (colon < 0 || escaped < colon) {
		colon = escaped
	}
	if colon < 0 {
		host := run(right, alnum+".-")
		if isURL || host == 0 || host == len(right) || right[host] != '/' && right[host] != ':' {
			return none // an address of mail, or a path
		}
		colon = len(rest)
	}
	begin += strings.LastIndexFunc(rest[:colon], func(r rune) bool { return !strings.ContainsRune(dotted+"+~$*%!", r) }) + 1
	if begin > 0 && left[begin-1] == '\\' {
		begin-- // an escape such as \n
	}
	return begin
}

// lower is text with its ASCII letters in lower case, of the same length whatever is in it.
func lower(text string) string {
	low := []byte(text)
	for i, c := range low {
		if 'A' <= c && c <= 'Z' {
			low[i] = c + 'a' - 'A'
		}
	}
	return string(low)
}

// isDigest reports whether what follows an @ is the digest of an image.
func isDigest(text string) bool {
	for _, algorithm := range []string{"sha256:", "sha384:", "sha512:"} {
		if rest, ok := strings.CutPrefix(text, algorithm); ok {
			rest = rest[run(rest, hexadecimal):]
			return rest == "" || strings.IndexByte(token68+"@:%", rest[0]) < 0
		}
	}
	return false
}
