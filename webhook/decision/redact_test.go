package decision_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"taffrail.dev/webhook/decision"
)

// mark is part of every credential in these tests.
const mark = "Hunter2MARK"

func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		`image "user:` + mark + `@registry.example/x" is bad`:                `image "***@registry.example/x" is bad`,
		`user:` + mark + `@registry.example:5000/x:1.0`:                      `***@registry.example:5000/x:1.0`,
		`docker://user:` + mark + `@registry.example/x`:                      `docker://***@registry.example/x`,
		`image=user:` + mark + `@registry.example/x`:                         `image=***@registry.example/x`,
		`user:` + mark + `/x@registry.example/x`:                             `***@registry.example/x`,
		`user:` + mark + `@x@registry.example/x`:                             `***@registry.example/x`,
		`user:` + mark + `@registry.example/x@sha256:0a1b`:                   `***@registry.example/x@sha256:0a1b`,
		`https://` + mark + `@github.com/org/repository`:                     `https://***@github.com/org/repository`,
		mark + `@registry.example/x,user:` + mark + `@y`:                     `***@registry.example/x,***@y`,
		mark + `@registry.example/x`:                                         `***@registry.example/x`,
		`https://:` + mark + `@host/`:                                        `https://***@host/`,
		`https://user:` + mark + `/?@host/`:                                  `https://***@host/`,
		`"user:a b \"c ` + mark + `@registry.example/x"`:                     `"***@registry.example/x"`,
		`"line\nuser:` + mark + `@registry.example/x"`:                       `"line***@registry.example/x"`,
		`https://x/?u=https%3A%2F%2Fuser%3A` + mark + `%40host`:              `https://x/?u=https%3A%2F%2F***%40host`,
		`https://b.s3.amazonaws.com/k?X-Amz-Signature=` + mark + `&x=1`:      `https://b.s3.amazonaws.com/k?X-Amz-Signature=***&x=1`,
		`https://x/?a=1&access_token=` + mark:                                `https://x/?a=1&access_token=***`,
		`https://x/?a=1\u0026sig=` + mark + `\u0026b=2`:                      `https://x/?a=1\u0026sig=***\u0026b=2`,
		`https://x/?key=` + mark + `#a`:                                      `https://x/?key=***#a`,
		`https://x/#id_token=` + mark:                                        `https://x/#id_token=***`,
		`--password=` + mark + ` --verbose`:                                  `--password=*** --verbose`,
		`DB_PASSWORD='a ` + mark + `' x`:                                     `DB_PASSWORD='***' x`,
		`AccountKey=` + mark + `==;EndpointSuffix=core`:                      `AccountKey=***;EndpointSuffix=core`,
		`{"auths":{"x":{"auth":"` + mark + `"}}}`:                            `{"auths":{"x":{"auth":"***"}}}`,
		`"{\"client_secret\": \"` + mark + `\"}"`:                            `"{\"client_secret\": \"***\"}"`,
		`curl -H "Authorization: Bearer ` + mark + `"`:                       `curl -H "Authorization: Bearer ***"`,
		`Authorization: basic hunter`:                                        `Authorization: basic ***`,
		`Basic dXNlcjpIdW50ZXIyTUFSSw==`:                                     `Basic ***`,
		"-----BEGIN RSA PRIVATE KEY-----\n" + mark + "\n-----END RSA":        "-----BEGIN RSA PRIVATE KEY***\n\n-----END RSA",
		`"-----BEGIN PRIVATE KEY-----\n` + mark + `\n`:                       `"-----BEGIN PRIVATE KEY***`,
		`image "nginx" has no tag`:                                           `image "nginx" has no tag`,
		`nginx:1.27@sha256:` + strings.Repeat("0a", 32):                      `nginx:1.27@sha256:` + strings.Repeat("0a", 32),
		`registry.example:5000/x@sha256:0a`:                                  `registry.example:5000/x@sha256:0a`,
		`ask ana@example.com, or "the team <web@example.com>"`:               `ask ana@example.com, or "the team <web@example.com>"`,
		`https://unpkg.com/react@18.2.0/umd/react.js`:                        `https://unpkg.com/react@18.2.0/umd/react.js`,
		`schedule "@daily" in Asia/Seoul`:                                    `schedule "@daily" in Asia/Seoul`,
		`plaintext-secret: "password" is in plaintext`:                       `plaintext-secret: "password" is in plaintext`,
		`--password=$(DB_PASSWORD) token=${TOKEN}`:                           `--password=$(DB_PASSWORD) token=${TOKEN}`,
		`valueFrom: {secretKeyRef: {name: db-config, key: db-password}}`:     `valueFrom: {secretKeyRef: {name: db-config, key: db-password}}`,
		`basic authentication, bearer certificates`:                          `basic authentication, bearer certificates`,
		`kubectl create clusterrole relax-a --verb=relax --resource=x`:       `kubectl create clusterrole relax-a --verb=relax --resource=x`,
		`Deployment shop/task-proj-migrations-of-the-orders is refused`:      `Deployment shop/task-proj-migrations-of-the-orders is refused`,
		`type=LoadBalancer, concurrencyPolicy=Allow, compass=x, monkey=1`:    `type=LoadBalancer, concurrencyPolicy=Allow, compass=x, monkey=1`,
		`metadata.annotations[service.beta.kubernetes.io/aws-load-balancer]`: `metadata.annotations[service.beta.kubernetes.io/aws-load-balancer]`,
	} {
		if got := decision.Redact(text); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestRedactValue(t *testing.T) {
	for value, want := range map[string]string{
		`user:a b" ` + mark + `@registry.example/x`: `***@registry.example/x`,
		"user:a\n" + mark + `@registry.example/x`:   "***\n@registry.example/x",
		`nginx`: `nginx`,
	} {
		if got := decision.RedactValue(value); got != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
}

// A credential is redacted in any context, and redacting the result again changes nothing.
func TestRedactIsSafeAnywhere(t *testing.T) {
	credentials := []string{
		"user:" + mark + "@registry.example/x", "https://user:" + mark + "@host/", "https://" + mark + "@host",
		"https://h/?sig=" + mark, "password=" + mark, "AKIA" + "HUNTER2MARK00000", "Authorization: Bearer " + mark, `"token":"` + mark + `"`,
	}
	around := []string{
		" ", "\n", "\t", `"`, `\"`, "'", "(", ")", "[", "]", "{", "}", ",", ";", ":", "=", "/", "@", "%40", "://", `\n`, `\u0026`, "a", "z9", "é", "\x00",
		"\u200b", "image", "user@", "@sha256:0a", "https://", "password=", "Bearer ", "%3A", "&", "?", "*", "$(X)", "-----END",
	}
	for _, seed := range []uint64{1, uint64(time.Now().UnixNano())} {
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		for range 20_000 {
			var b strings.Builder
			for range r.IntN(6) {
				b.WriteString(around[r.IntN(len(around))])
			}
			b.WriteString(" " + credentials[r.IntN(len(credentials))] + " ")
			for range r.IntN(6) {
				b.WriteString(around[r.IntN(len(around))])
			}
			text := b.String()
			got := decision.Redact(text)
			if strings.Contains(strings.ToUpper(got), "HUNTER2MARK") {
				t.Fatalf("%q: %q", text, got)
			}
			if again := decision.Redact(got); strings.Count(again, "\n") != strings.Count(text, "\n") {
				t.Fatalf("%q: other lines: %q", text, again)
			}
			if line := decision.Line(text, 400); strings.Contains(strings.ToUpper(line), "HUNTER2MARK") {
				t.Fatalf("%q: %q", text, line)
			}
		}
	}
}

// Zero-width characters do not split a token that is whole once they are removed.
func TestLineRedactsWhatItPutsTogether(t *testing.T) {
	for _, text := range []string{"AK\u200bIAHUNTER2MARK00000", "user:a\u200b" + mark + "@registry.example/x", "user:" + mark + strings.Repeat("x", 500) + "@registry.example/x"} {
		if got := decision.Line(text, 400); strings.Contains(strings.ToUpper(got), "HUNTER2MARK") {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// The cost is linear, so no object can delay a decision, whatever its size and content.
func TestRedactTakesAnyText(t *testing.T) {
	for _, piece := range []string{"@", "a@", ":@", "eyJ.", "xeyJ", "password=", "password=$", `"a":"`, "Bearer ", "basic ", "-----BEGIN PRIVATE KEY", `\`, `"`, "%40", "https://", "a:b@c/d "} {
		text := strings.Repeat(piece, 1<<20/len(piece))
		if got := decision.Redact(text); got == "" {
			t.Errorf("%q: nothing is left", piece)
		}
	}
}
