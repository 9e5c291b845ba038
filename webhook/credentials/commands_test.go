package credentials_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"taffrail.dev/webhook/credentials"
)

func TestCommandsWithinOthers(t *testing.T) {
	for _, line := range []string{
		"RESULT=$(mysql -uroot -phunter2 -e 'select 1')", "x=\"$(mysql -phunter2 db)\"", "`mysql -phunter2 db`", "`mysql -phunter2`",
		"bash -c 'mysql -phunter2 db'", `command: ["sh", "-c", "mysql -phunter2 db"]`, `run: "mysql -phunter2 db"`,
		"ssh host 'mysql -phunter2 db'", "echo " + strings.Repeat("a ", 8000) + "; mysql -phunter2 db",
	} {
		if got := whats(line); len(got) != 1 || got[0] != "a password for mysql" {
			t.Errorf("%.60s: %q", line, got)
		}
	}
	for _, line := range []string{
		"x=$(mysql -p$PASSWORD db)", "bash -c 'mysql -p\"$PASSWORD\" db'", "echo 'try mysql -ppassword db'", "docker run -p 80:80 login",
		"ctr run --user 1000:1000 x", "2024 exp a/b", `mysql -p"$(cat /run/secrets/db)"`,
	} {
		if got := whats(line); len(got) > 0 {
			t.Errorf("%s: %q", line, got)
		}
	}
}

// Tokens and passwords of cloud providers may be thousands of characters long.
func TestValuesOfAnyLength(t *testing.T) {
	part := strings.Repeat("aB3_x-Z9", 400)
	login := base64.StdEncoding.EncodeToString([]byte("_json_key:" + part))
	for what, text := range map[string]string{
		"a JSON Web Token":      "eyJhbGciOiJSUzI1NiJ9.eyJ" + part + "." + part,
		"a registry's password": `{"auths":{"registry.example":{"auth":"` + login + `"}}}`,
	} {
		for _, text := range []string{text, "a: " + text + " b"} {
			if got := whats(text); len(got) != 1 || got[0] != what {
				t.Errorf("%.60s: %q", text, got)
			}
		}
	}
	for _, text := range []string{"eyJ" + part + "." + part, "eyJ" + part + ".eyJ" + part, "eyJhbG.eyJ" + part + "." + part, `"auth":"` + login, `"auth":"` + part + `"`} {
		if got := whats(text); len(got) > 0 {
			t.Errorf("%.60s: %q", text, got)
		}
	}
}

// A value is reported once, however many rows match it.
func TestAClientThatKeepsACredential(t *testing.T) {
	for _, line := range []string{"redis-cli config set requirepass hunter2pw", "kubectl config set users.a.token hunter2pw", "aws configure set aws_secret_access_key hunter2pw"} {
		if got := credentials.Words(strings.Fields(line), nil); len(got) != 1 {
			t.Errorf("%s: got %+v", line, got)
		}
	}
}

// A switch that is named like a credential takes no value.
func TestWordsAfterASwitch(t *testing.T) {
	got := credentials.Words([]string{"turnserver", "--use-auth-secret", "--static-auth-secret=hunter2pw"}, nil)
	if len(got) != 1 || got[0].Index != 2 {
		t.Errorf("got %+v", got)
	}
	if got := credentials.Words([]string{"turnserver", "--use-auth-secret", "--log-file=stdout"}, nil); len(got) > 0 {
		t.Errorf("got %+v", got)
	}
}

// nginx passes requests on to a host, not to a password.
func TestPlacesToPassOnTo(t *testing.T) {
	for _, line := range []string{
		"fastcgi_pass php:9000;", "fastcgi_pass 127.0.0.1:9000;", "uwsgi_pass app-1:3031;", "scgi_pass localhost:9000;",
		"grpc_pass grpc1:9000;", "memcached_pass cache-1:11211;", "http-request set-header X-Token %[src]",
	} {
		text := "server {\n  " + line + "\n}\n"
		if got := credentials.Text("nginx.conf", text); len(got) > 0 {
			t.Errorf("%s: %v", line, got)
		}
	}
}

// The text before the slash in an object's name is not a user.
func TestAuthThatIsAnObject(t *testing.T) {
	for name, value := range map[string]string{"HTTP_AUTH": "kubernetes/argocd", "BASIC_AUTH": "shop/basic-auth", "NEO4J_AUTH": "none"} {
		if got := credentials.Value(name, value); len(got) > 0 {
			t.Errorf("%s=%s: %v", name, value, got)
		}
	}
	for name, value := range map[string]string{"HTTP_AUTH": "app:hunter2", "NEO4J_AUTH": "neo4j/hunter2"} {
		if got := credentials.Value(name, value); len(got) != 1 {
			t.Errorf("%s=%s: %v", name, value, got)
		}
	}
}

// A name that begins with a noun may describe something about the credential.
func TestNamesOfWhatIsKnownAboutASecret(t *testing.T) {
	for name, value := range map[string]string{
		"SECRET_LABEL_SELECTOR": "app=grafana,tier=web", "REFRESH_TOKEN_COOKIE": "__Host-refresh", "TOKEN_AUDIENCES": "istio-ca",
		"SECRET_NAMESPACES": "shop,billing", "TOKEN_CLAIMS": "sub,groups", "SECRET_ANNOTATIONS": "reloader=true", "TOKEN_DOMAIN": "shop.example",
	} {
		if got := credentials.Value(name, value); len(got) > 0 {
			t.Errorf("%s=%s: %v", name, value, got)
		}
	}
	if got := credentials.Value("TOKEN_GITHUB", "abc123def456"); len(got) != 1 {
		t.Errorf("TOKEN_GITHUB: %v", got)
	}
}

// Padding hides nothing.
func TestValuesBehindALongOne(t *testing.T) {
	long := strings.Repeat("aB3-x_Z9", 200)
	for what, texts := range map[string][]string{
		"a URL with a password":      {"postgres://app:" + long + "@db/app", "postgres://" + long + ":hunter2@db/app"},
		"an address with a password": {"app:" + long + "@tcp(db:3306)/app"},
		`the credential "password"`:  {"<password>" + long + "</password>", `<property name="password" value="` + long + `"/>`, `<property x="` + long + `" name="password" value="hunter2"/>`, `<property name="password">` + long + "</property>", `{"value":"` + long + `","name":"password"}`},
		"a header Authorization":     {"Bearer " + strings.Repeat(long, 4)},
		"a private key": {
			"-----BEGIN RSA " + "PRIVATE KEY-----" + strings.Repeat(" ", 2000) + "MIIEowIBAAKCAQEAexample",
			"-----BEGIN RSA " + "PRIVATE KEY-----" + strings.Repeat(`\\n`, 800) + "MIIEowIBAAKCAQEAexample",
			"-----BEGIN RSA " + "PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC," + long + "\n\nMIIEowIBAAKCAQEAexample",
			"-----BEGIN RSA " + "PRIVATE KEY-----\nComment: -----BEGIN RSA " + "PRIVATE KEY-----MIIEowIBAAKCAQEAexample\n...",
			"-----BEGIN PGP " + `PRIVATE KEY BLOCK-----\nVersion: x\nComment: ` + long + `\n\nlQdGBGexampleexample`,
		},
	} {
		for _, text := range texts {
			if got := whats(text); !slices.Contains(got, what) {
				t.Errorf("%.60s: got %q, want %q", text, got, what)
			}
		}
	}
	for _, text := range []string{
		"postgres://app:" + long, "postgres://app:${" + long + "}@db/app", "docker://" + long + ":1@sha256:abc", "<password>" + long[:100], "<password>${" + long + "}</password>",
		"-----BEGIN RSA " + "PRIVATE KEY-----" + strings.Repeat(" ", 2000) + "...", "-----BEGIN RSA " + "PRIVATE KEY-----\nComment: " + long,
		"Bearer " + long + " and more", "<a b = c d='e'>", "<a b='c", "<a  b == 'c'>", "<", "< a/>",
	} {
		if got := whats(text); len(got) > 0 {
			t.Errorf("%.60s: got %q", text, got)
		}
	}
}
