package decision_test

import (
	"strings"
	"testing"

	"taffrail.dev/webhook/decision"
)

const (
	hex     = "0123456789abcdefABCDEF"
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	hyphens = letters + "_-"
	dots    = hyphens + "."
	base64  = dots + "+/=~"
)

// tokens has the formats of well-known services: the prefix, the least number of characters of a kind that
// follow, and whether the token must begin a word.
var tokens = []struct {
	prefix string
	least  int
	of     string
	word   bool
}{
	{"AKIA", 16, letters, false}, {"ASIA", 16, letters, false}, {"AGE-SECRET-KEY-1", 50, letters, false}, {"eyJ", 20, base64, true},
	{"ghp_", 36, letters, false}, {"gho_", 36, letters, false}, {"ghu_", 36, letters, false}, {"ghs_", 36, letters, false}, {"ghr_", 36, letters, false},
	{"github_pat_", 40, hyphens, false}, {"glpat-", 20, dots, false}, {"glrt-", 20, dots, false}, {"gldt-", 20, dots, false},
	{"glptt-", 20, hyphens, false}, {"glcbt-", 20, hyphens, false},
	{"xoxa-", 10, hyphens, false}, {"xoxb-", 10, hyphens, false}, {"xoxe-", 10, hyphens, false}, {"xoxe.", 10, dots, false}, {"xoxp-", 10, hyphens, false},
	{"xoxr-", 10, hyphens, false}, {"xoxs-", 10, hyphens, false}, {"xapp-", 10, hyphens, true},
	{"hooks.slack.com/services/", 16, hyphens + "/", false}, {"hooks.slack.com/workflows/", 16, hyphens + "/", false}, {"hooks.slack.com/triggers/", 16, hyphens + "/", false},
	{"sk_live_", 16, letters, true}, {"sk_test_", 16, letters, true}, {"rk_live_", 16, letters, true}, {"rk_test_", 16, letters, true}, {"whsec_", 24, base64, true},
	{"AIza", 35, hyphens, true}, {"GOCSPX-", 28, hyphens, false}, {"sk-ant-", 20, hyphens, true}, {"sk-proj-", 20, hyphens, true}, {"sk-svcacct-", 20, hyphens, true},
	{"npm_", 36, letters, true}, {"pypi-AgE", 30, hyphens, false}, {"dckr_pat_", 20, hyphens, false}, {"hf_", 34, letters, true}, {"SG.", 60, dots, true},
	{"hvs.", 24, hyphens, true}, {"hvb.", 24, hyphens, true}, {"doo_v1_", 64, hex, false}, {"dop_v1_", 64, hex, false},
	{"shpss_", 32, hex, false}, {"shpca_", 32, hex, false}, {"shpat_", 32, hex, false}, {"glsa_", 32, hyphens, true},
	{"lin_api_", 40, letters, true}, {"ATATT3", 60, base64, true}, {".atlasv1.", 60, base64, false}, {"key-", 32, hex, true},
	{"NRAK-", 27, letters, true}, {"tskey-", 8, hyphens, true}, {":AA", 33, hyphens, false}, {"LS0tLS1CRUdJTi", 16, base64, false}, {"dapi", 32, hex, true},
	{"PuTTY-User-Key-File-", 10, ": \r\n" + base64, false}, {"/api/webhooks/", 40, hyphens + "/", false},
	{"webhook.office.com/", 20, dots + "@/", false}, {"outlook.office.com/webhook/", 20, dots + "@/", false},
	{"hooks.zapier.com/hooks/catch/", 9, hyphens + "/", false}, {"api.telegram.org/bot", 30, hyphens + ":", false}, {"/with/key/", 16, hyphens, false},
	{"events.pagerduty.com/integration/", 32, hex, false}, {"/open-apis/bot/v2/hook/", 30, hyphens, false},
}

// Every token is redacted as a whole, and nothing else is.
func TestTokensOfServicesAreRedacted(t *testing.T) {
	for _, token := range tokens {
		body := strings.Repeat(token.of[:1], token.least)
		whole := strings.Repeat(token.of, 1+token.least/len(token.of))
		other := "!"
		for _, c := range "g-.+" {
			if !strings.ContainsRune(token.of, c) {
				other = string(c)
				break
			}
		}
		lines := strings.Repeat("\n", strings.Count(whole, "\n"))
		inWord := "x***"
		if token.word {
			inWord = "x" + token.prefix + body
		}
		for text, want := range map[string]string{
			token.prefix + body:                       "***",
			token.prefix + whole:                      "***" + lines,
			"a " + token.prefix + body:                "a ***",
			token.prefix + body + other:               "***" + other,
			token.prefix + body[1:]:                   token.prefix + body[1:],
			token.prefix + body[1:] + other:           token.prefix + body[1:] + other,
			"x" + token.prefix + body:                 inWord,
			`\n` + token.prefix + body:                `\n***`,
			token.prefix + "! " + token.prefix + body: token.prefix + "! ***",
		} {
			if got := decision.Redact(text); got != want {
				t.Errorf("%q: got %q, want %q", text, got, want)
			}
		}
	}
}

// For these, another rule redacts less.
func TestTokensAreRedactedWithWhatNamesThem(t *testing.T) {
	for _, prefix := range []string{"glc_" + "eyJ", "cgi-bin/webhook/send?key="} {
		body := strings.Repeat("a", 30)
		if got := decision.Redact(prefix + body); got != "***" {
			t.Errorf("%s: got %s", prefix, got)
		}
		inWord := "x***"
		if strings.HasPrefix(prefix, "glc_") {
			inWord = "xglc_***"
		}
		if got := decision.Redact("x" + prefix + body); got != inWord {
			t.Errorf("%s in a word: got %s", prefix, got)
		}
		if got := decision.Redact(prefix + body[1:]); got == "***" {
			t.Errorf("%s, too short: got %s", prefix, got)
		}
	}
}

// An escape sequence ends before a token begins: its letter is not a part of the word.
func TestEscapesAreNoPartOfAWord(t *testing.T) {
	key := "sk-ant-" + strings.Repeat("a", 20)
	for before, want := range map[string]string{
		`\n`: `\n***`, `\t`: `\t***`, `\x41`: `\x41***`, `\u0026`: `\u0026***`, `\U00000026`: `\U00000026***`, `%3D`: `%3D***`, `é`: `é***`, `x=`: `x=***`,
		`n`: `n` + key, `an`: `an` + key, `u0026`: `u0026` + key, `\nab`: `\nab***`, `\ab`: `\ab` + key, `3D`: `3D` + key, `D`: `D` + key,
	} {
		if got := decision.Redact(before + key); got != want {
			t.Errorf("%q: got %q, want %q", before+key, got, want)
		}
	}
}

func TestNamesOfCredentialsAreKnown(t *testing.T) {
	const value = "hunter2"
	check := func(text, want string) {
		t.Helper()
		if got := decision.Redact(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	taken := func(before, after string) { t.Helper(); check(before+value+after, before+"***"+after) }
	left := func(text string) { t.Helper(); check(text, text) }
	for _, name := range []string{
		"password", "passwd", "passphrase", "passcode", "secret", "token", "signature", "credential", "credentials", "apikey", "accesskey", "secretkey",
		"accountkey", "privatekey", "authkey", "encryptionkey", "secretaccesskey", "accesskeyid",
	} {
		taken(name+"=", "")
		taken("MY_"+strings.ToUpper(name)+"=", " x")
		taken("my"+name+"=", "&x=1")
		taken(`{"`+name+`":"`, `"}`)
		taken(`{"`+name+`" : "`, `"}`)
		taken(name[:3]+"_"+name[3:]+"=", "")
		taken(name[:3]+"-"+name[3:]+"=", "")
		taken(name[:3]+"."+name[3:]+"=", "")
		left(name + "s.x=" + value)
		left(name + ": " + value)
		left(name + ":" + value)
		left(`"` + name + `": ` + value)
		left(`"` + name + `" is x: "` + value + `"`)
	}
	for _, name := range []string{"pass", "pwd", "sig", "pat", "auth", "creds", "jwt"} {
		taken(name+"=", "")
		taken("db_"+name+"=", "")
		taken("DB-"+strings.ToUpper(name)+"=", "")
		taken("db."+name+"=", "")
		taken("/"+name+"=", "")
		left("x" + name + "=" + value)
		left(name + "x=" + value)
	}
	for _, name := range []string{"key", "code", "sas", "session", "assertion"} {
		taken("https://x/?"+name+"=", "")
		taken("https://x/?a=b&"+name+"=", "")
		taken("https://x/?a=b;"+name+"=", "")
		taken(`https://x/?a=b\u0026`+name+"=", "")
		left(name + "=" + value)
		left("https://x/" + name + "=" + value)
		left(`https://x/?a=bu0026` + name + "=" + value)
	}
	for _, end := range []string{" ", "\t", "\r", "\n", `"`, "'", "<", ">", "&", ";", "#", ",", ")", "}", "]", `\`} {
		taken("password=", end+"x")
	}
	for _, begin := range []string{"$", "<", "{", "*", "%"} {
		left("password=" + begin + "x")
		left(`password="` + begin + "x")
	}
	left("password=")
	left("=" + value)
	left(strings.Repeat("a", 10) + "=" + value)
	taken(strings.Repeat("a", 300)+"password=", "")
	left("password" + strings.Repeat("a", 128) + "=" + value)
}

func TestAuthorizationsAreRedacted(t *testing.T) {
	for text, want := range map[string]string{
		"Bearer hunter2x": "Bearer ***", "bearer hunter2x": "bearer ***", "BEARER  hunter2x y": "BEARER  *** y", "Basic hunter2x": "Basic ***", "basic hunter2x.": "basic ***",
		"Bearer hunter2": "Bearer hunter2", "Basic hunter2": "Basic hunter2", "Digest hunter2x": "Digest hunter2x", "Bearer": "Bearer", "Bearer ": "Bearer ",
		"authorization: Bearer h": "authorization: Bearer ***", "Authorization: Basic x y": "Authorization: Basic *** y", "AUTHORIZATION: bearer x": "AUTHORIZATION: bearer ***",
		"Authorization: Digest x": "Authorization: Digest x", "authorization: Bearer ": "authorization: Bearer ", "authorization: Bearer !": "authorization: Bearer !",
		"basic authentication": "basic authentication", "Bearer Authentication.": "Bearer Authentication.", "basic cert-manager/x": "basic cert-manager/x",
		"basic HunterTwoo": "basic ***", "a basic hunter2x and a bearer hunter2y": "a basic *** and a bearer ***",
	} {
		if got := decision.Redact(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// User information is searched for in words, and in quoted text on a line.
func TestWhereUserinfoBegins(t *testing.T) {
	for text, want := range map[string]string{
		`\n nginx: see x@host/y`:  `\n nginx: see ***@host/y`,
		`nginx: see x@host/y`:     `nginx: see ***@host/y`,
		`"nginx: see x@host/y`:    `"***@host/y`,
		`a "nginx: see" x@host/y`: `a "nginx: see" ***@host/y`,
		"\"nginx: see\nx@host/y":  "\"nginx: see\n***@host/y",
		`a: b x@host/y`:           `a: b ***@host/y`,
		`x@host`:                  `x@host`,
		`x@host:80`:               `***@host:80`,
		`x@/y`:                    `x@/y`,
		`u:x@`:                    `u:x@`,
		`https://u:x@`:            `https://***@`,
		`https://x@`:              `https://***@`,
		`https://host/x@y/z`:      `https://host/x@y/z`,
		`https%3A%2F%2Fx%40host`:  `https%3A%2F%2F***%40host`,
		`u%3Ax%40host`:            `***%40host`,
		`x@sha256:0a`:             `x@sha256:0a`,
		`u:x@sha256:0a`:           `u:x@sha256:0a`,
		`u:x@sha384:0a`:           `u:x@sha384:0a`,
		`u:x@sha512:0a`:           `u:x@sha512:0a`,
		`u:x@sha256:0a/y`:         `***@sha256:0a/y`,
		`u:x@sha224:0a`:           `***@sha224:0a`,
		`(u:x@host/y)`:            `(***@host/y)`,
		`a=u+1~$*%!._-:x@host/y`:  `a=***@host/y`,
		"u:" + strings.Repeat("a@", 9) + "h/y u:x@host/y": `***@h/y ***@host/y`,
	} {
		if got := decision.Redact(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestPrivateKeysAreRedacted(t *testing.T) {
	x := strings.Repeat("x", 80)
	for text, want := range map[string]string{
		"-----BEGIN PRIVATE KEY-----\n" + x + "\n-----END PRIVATE KEY-----": "-----BEGIN PRIVATE KEY***\n\n-----END PRIVATE KEY-----",
		"a PRIVATE KEY, and x":                             "a PRIVATE KEY, and x",
		"a PRIVATE KEY, -----BEGIN EC PRIVATE KEY-----\nx": "a PRIVATE KEY, -----BEGIN EC PRIVATE KEY***\n",
		"-----BEGIN PRIVATE KEY-----" + x + "-----END PRIVATE KEY----- y -----BEGIN RSA PRIVATE KEY-----z": "-----BEGIN PRIVATE KEY***-----END PRIVATE KEY----- y -----BEGIN RSA PRIVATE KEY***",
		"-----BEGIN CERTIFICATE-----\nx": "-----BEGIN CERTIFICATE-----\nx",
	} {
		if got := decision.Redact(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
