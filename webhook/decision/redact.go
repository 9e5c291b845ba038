package decision

import (
	"cmp"
	"slices"
	"strings"
)

// Redacted replaces credentials in everything that Taffrail prints.
const Redacted = "***"

// shape describes a credential that is recognized by its prefix.
type shape struct {
	prefix string
	// length is the minimum number of characters after the prefix, all of them in class.
	length int
	class  string
	// word requires the prefix to begin a word: task-proj- does not contain sk-proj-.
	word bool
}

const (
	hexadecimal = "0123456789abcdefABCDEF"
	alnum       = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	hyphened    = alnum + "_-"
	dotted      = hyphened + "."
	token68     = dotted + "+/=~"
)

// shapes are the tokens of well-known services. Package credentials recognizes the same ones.
var shapes = []shape{
	{"AKIA", 16, alnum, false}, {"ASIA", 16, alnum, false},
	{"AGE-SECRET-KEY-1", 50, alnum, false},
	{"eyJ", 20, token68, true},
	{"ghp_", 36, alnum, false}, {"gho_", 36, alnum, false}, {"ghu_", 36, alnum, false}, {"ghs_", 36, alnum, false}, {"ghr_", 36, alnum, false},
	{"github_pat_", 40, hyphened, false},
	{"glpat-", 20, dotted, false}, {"glrt-", 20, dotted, false}, {"gldt-", 20, dotted, false},
	{"xoxa-", 10, hyphened, false}, {"xoxb-", 10, hyphened, false}, {"xoxe-", 10, hyphened, false}, {"xoxe.", 10, dotted, false},
	{"xoxp-", 10, hyphened, false}, {"xoxr-", 10, hyphened, false}, {"xoxs-", 10, hyphened, false}, {"xapp-", 10, hyphened, true},
	{"hooks.slack.com/services/", 16, hyphened + "/", false},
	{"sk_live_", 16, alnum, true}, {"sk_test_", 16, alnum, true}, {"rk_live_", 16, alnum, true},
	{"AIza", 35, hyphened, true},
	{"sk-ant-", 20, hyphened, true}, {"sk-proj-", 20, hyphened, true},
	{"npm_", 36, alnum, true}, {"pypi-AgE", 30, hyphened, false}, {"dckr_pat_", 20, hyphened, false},
	{"hf_", 34, alnum, true}, {"SG.", 60, dotted, true}, {"hvs.", 24, hyphened, true},
	{"glptt-", 20, hyphened, false}, {"glcbt-", 20, hyphened, false}, {"rk_test_", 16, alnum, true}, {"whsec_", 24, token68, true},
	{"GOCSPX-", 28, hyphened, false}, {"sk-svcacct-", 20, hyphened, true}, {"hvb.", 24, hyphened, true}, {"doo_v1_", 64, hexadecimal, false},
	{"shpss_", 32, hexadecimal, false}, {"shpca_", 32, hexadecimal, false}, {"glsa_", 32, hyphened, true}, {"glc_eyJ", 30, token68, true},
	{"lin_api_", 40, alnum, true}, {"ATATT3", 60, token68, true}, {".atlasv1.", 60, token68, false}, {"key-", 32, hexadecimal, true},
	{"NRAK-", 27, alnum, true}, {"tskey-", 8, hyphened, true}, {":AA", 33, hyphened, false}, {"LS0tLS1CRUdJTi", 16, token68, false},
	{"PuTTY-User-Key-File-", 10, "0123456789: \r\n" + token68, false}, {"hooks.slack.com/workflows/", 16, hyphened + "/", false},
	{"hooks.slack.com/triggers/", 16, hyphened + "/", false}, {"/api/webhooks/", 40, hyphened + "/", false},
	{"webhook.office.com/", 20, dotted + "@/", false}, {"outlook.office.com/webhook/", 20, dotted + "@/", false},
	{"hooks.zapier.com/hooks/catch/", 9, hyphened + "/", false}, {"api.telegram.org/bot", 30, hyphened + ":", false}, {"/with/key/", 16, hyphened, false},
	{"events.pagerduty.com/integration/", 32, hexadecimal, false}, {"/open-apis/bot/v2/hook/", 30, hyphened, false},
	{"cgi-bin/webhook/send?key=", 30, hyphened, false}, {"dop_v1_", 64, hexadecimal, false}, {"shpat_", 32, hexadecimal, false}, {"dapi", 32, hexadecimal, true},
	{"sqp_", 40, hexadecimal, true}, {"squ_", 40, hexadecimal, true}, {"sqa_", 40, hexadecimal, true},
	{"hcaik_", 58, alnum, true}, {"hcbik_", 58, alnum, true}, {"hcamk_", 58, alnum, true},
	{"AQA", 35, token68, true}, {"AQB", 35, token68, true}, {"AQC", 35, token68, true}, {"AQD", 35, token68, true}, // Ceph
}

// assigned are the suffixes of names whose value is a credential, as in DB_PASSWORD=,
// X-Amz-Signature= and "client_secret":. They are in lower case and without separators.
var assigned = []string{
	"password", "passwd", "passphrase", "passcode", "secret", "token", "signature", "credential", "credentials",
	"apikey", "accesskey", "secretkey", "accountkey", "privatekey", "authkey", "encryptionkey", "secretaccesskey", "accesskeyid",
}

// assignedWords are further suffixes, which must be separate words because many other names end
// in them.
var assignedWords = []string{"pass", "pwd", "sig", "pat", "auth", "creds", "jwt"}

// queried are names whose value is a credential only in the query of a URL.
var queried = []string{"key", "code", "sas", "session", "assertion"}

// span is a part of a text that is redacted, from begin up to end.
type span struct{ begin, end int }

// Redact returns text with every credential replaced: the user information of images and URLs,
// values of names such as password or X-Amz-Signature, tokens of well-known services,
// Authorization headers, and private keys. It preserves line breaks.
//
// Everything that quotes an object, a configuration or an error must be printed through Redact.
// If in doubt, it redacts. Its cost is linear in the length of text.
func Redact(text string) string { return redact(text, userinfo(text, words(text))) }

// RedactValue is Redact for a text that is a single value, which may contain spaces and quotes.
func RedactValue(value string) string {
	return redact(value, userinfo(value, append(words(value), span{0, len(value)})))
}

func redact(text string, spans []span) string {
	spans = append(spans, tokens(text)...)
	spans = append(spans, assignments(text)...)
	spans = append(spans, authorizations(text)...)
	spans = append(spans, privateKeys(text)...)
	if len(spans) == 0 {
		return text
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(b.end, a.end)) })
	var b strings.Builder
	done := 0
	for _, s := range spans {
		if s.end <= done {
			continue
		}
		if s.begin >= done {
			b.WriteString(text[done:s.begin] + Redacted)
		}
		b.WriteString(strings.Repeat("\n", strings.Count(text[max(s.begin, done):s.end], "\n")))
		done = s.end
	}
	return b.String() + text[done:]
}

// run returns the length of the prefix of text whose characters are all in class.
func run(text, class string) int {
	if i := strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune(class, r) }); i >= 0 {
		return i
	}
	return len(text)
}

// endsWord reports whether a new word may begin after text: text must end outside a word, or
// with an escape such as \n or \u0026.
func endsWord(text string) bool {
	n := len(text)
	if n == 0 || !strings.Contains(alnum, text[n-1:]) {
		return true
	}
	for _, digits := range []int{1, 3, 5, 9} {
		if n > digits && text[n-digits-1] == '\\' {
			return true
		}
	}
	return n > 2 && text[n-3] == '%'
}

// assignments returns the values of names of credentials in name=value, with or without quotes,
// and in "name":"value".
func assignments(text string) (spans []span) {
	for from := 0; ; {
		i := strings.IndexAny(text[from:], "=:")
		if i < 0 {
			return spans
		}
		at := from + i
		from = at + 1
		before, after := text[:at], at+1
		if text[at] == ':' {
			trimmed := strings.TrimRight(before, " \t")
			before = strings.TrimRight(trimmed, `\"'`)
			if before == trimmed {
				continue
			}
			after += run(text[after:], " \t")
			if run(text[after:], `\"'`) == 0 {
				continue
			}
		}
		if !isAssigned(before) {
			continue
		}
		// These characters begin a variable, a template, or a value that is redacted already.
		if value := after + run(text[after:], `\"'`); value == len(text) || strings.IndexByte("$<{*%", text[value]) >= 0 {
			continue
		}
		if s := valueAt(text, after); s.begin < s.end {
			spans = append(spans, s)
			from = s.end
		}
	}
}

// isAssigned reports whether text ends in the name of a credential.
func isAssigned(text string) bool {
	begin := len(text)
	for begin > 0 && len(text)-begin < 128 && strings.Contains(dotted, text[begin-1:begin]) {
		begin--
	}
	if begin == len(text) {
		return false
	}
	low := lower(text[begin:])
	joined := strings.Map(func(r rune) rune {
		if strings.ContainsRune("_-.", r) {
			return -1
		}
		return r
	}, low)
	last := low[strings.LastIndexAny(low, "_-.")+1:]
	query := begin > 0 && strings.IndexByte("?&;", text[begin-1]) >= 0
	if strings.HasPrefix(low, "u0026") && strings.HasSuffix(text[:begin], `\`) { // & as JSON escapes it
		query, last = true, strings.TrimPrefix(last, "u0026")
	}
	return slices.ContainsFunc(assigned, func(word string) bool { return strings.HasSuffix(joined, word) }) ||
		slices.Contains(assignedWords, last) || query && slices.Contains(queried, last)
}

// valueAt returns the value that begins at a position: up to the closing quote, or to the end
// of the word or parameter.
func valueAt(text string, at int) span {
	quote := run(text[at:], `\"'`)
	if quote == 0 {
		if end := strings.IndexAny(text[at:], " \t\r\n\"'<>&;#,)}]\\"); end >= 0 {
			return span{at, at + end}
		}
		return span{at, len(text)}
	}
	opening := text[at : at+quote]
	begin := at + quote
	if end := strings.Index(text[begin:], opening); end >= 0 {
		return span{begin, begin + end}
	}
	return span{begin, len(text)}
}

// authorizations returns what follows Bearer and Basic, unless it is prose.
func authorizations(text string) (spans []span) {
	for from := 0; ; {
		i := strings.IndexByte(text[from:], ' ')
		if i < 0 {
			return spans
		}
		from += i + 1
		before := text[max(0, from-160) : from-1]
		scheme := len(before) - len("bearer")
		if scheme < 0 || !strings.EqualFold(before[scheme:], "bearer") {
			if scheme++; scheme < 0 || !strings.EqualFold(before[scheme:], "basic") {
				continue
			}
		}
		begin := from + run(text[from:], " ")
		end := begin + run(text[begin:], token68)
		header := strings.Contains(lower(before[:scheme]), "authorization")
		if header && end > begin || end-begin >= 8 && !isProse(text[begin:end]) {
			spans = append(spans, span{begin, end})
		}
	}
}

// isProse reports whether text may be a word of a sentence, as in basic authentication.
func isProse(text string) bool {
	text = strings.TrimRight(text, ".")
	return strings.Trim(text[1:], "abcdefghijklmnopqrstuvwxyz-/") == ""
}

// privateKeys returns the content of PEM blocks with private keys.
func privateKeys(text string) (spans []span) {
	const label = "PRIVATE KEY"
	for from := 0; ; {
		i := strings.Index(text[from:], label)
		if i < 0 {
			return spans
		}
		from += i + len(label)
		if !strings.Contains(text[max(0, from-60):from], "-----BEGIN") {
			continue
		}
		end := strings.Index(text[from:], "-----END")
		if end < 0 {
			return append(spans, span{from, len(text)})
		}
		spans = append(spans, span{from, from + end})
		from += end
	}
}
