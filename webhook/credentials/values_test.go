package credentials_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"taffrail.dev/webhook/credentials"
)

func TestNamesOfCredentials(t *testing.T) {
	for _, name := range []string{
		"PASSWORD", "DB_PASSWORD", "db-password", "spring.datasource.password", "dbPassword", "MYSQL_ROOT_PASSWORD",
		"PGPASSWORD", "DB_PASS", "dbPass", "SMTP_PASSWD", "DB_PWD", "passphrase", "PASSWORD_1", "PASSWORD_BASE64",
		"SECRET", "JWT_SECRET", "clientSecret", "client-secret", "APP_TOKEN_SECRET", "TOKEN", "GITHUB_TOKEN",
		"accessToken", "session-token", "API_KEY", "apiKey", "x-api-key", "API_KEYS", "AWS_SECRET_ACCESS_KEY",
		"CLOUD_AWS_CREDENTIALS_ACCESSKEY", "CLOUD_AWS_CREDENTIALS_SECRETKEY", "SECRET_KEY", "PRIVATE_KEY",
		"ENCRYPTION_KEY", "NEW_RELIC_LICENSE_KEY", "fernet_key", "CREDENTIALS", "credential", "creds", "requirepass",
		"masterauth", ".pgpass", "password.txt", "admin_token", "SECRET_KEY_BASE", "secretKeyBase", "DB_PASSWORD_PROD",
		"STRIPE_API_KEY_LIVE", "db.password.old",
		"RABBITMQ_ERL_COOKIE", "ERLANG_COOKIE",
	} {
		if !credentials.Named(name) {
			t.Error(name)
		}
	}
}

func TestNamesOfOtherThings(t *testing.T) {
	for _, name := range []string{
		"", "PASSWORD_MIN_LENGTH", "PASSWORD_POLICY", "PASSWORD_FILE", "GF_SECURITY_ADMIN_PASSWORD__FILE", "PGPASSFILE",
		"PASSWORD_HASH", "passwords.yaml", "TOKEN_URL", "TOKEN_TTL", "TOKEN_EXPIRY", "ACCESS_TOKEN_EXPIRE_MINUTES",
		"AUTH_TOKEN_HEADER", "AWS_WEB_IDENTITY_TOKEN_FILE", "TOKENIZERS_PARALLELISM", "MAX_TOKENS", "max_token",
		"eos_token", "next-token", "initial-cluster-token", "SECRET_NAME", "SECRETS_STORE", "secretName", "secrets",
		"IMAGE_PULL_SECRET", "existingSecret", "default-server-tls-secret", "caSecret", "KEY", "KEY_PREFIX", "PUBLIC_KEY",
		"NEXT_PUBLIC_API_KEY", "PRIMARY_KEY", "AWS_ACCESS_KEY_ID", "AWS_SHARED_CREDENTIALS_FILE", "CREDENTIALS_PATH",
		"allow-credentials-header", "includeCredentials", "OLDPWD", "compass", "BYPASS", "nginx_proxypass", "username",
		"trustStorePassword", "password-stdin", "tls.crt", "ca.crt", "KEY_BASE", "PASSWORD_TESTER", "TOKEN_PRODUCER",
	} {
		if credentials.Named(name) {
			t.Error(name)
		}
	}
}

func TestValuesThatAreCredentials(t *testing.T) {
	for _, value := range []string{
		"hunter2", "changeme", "12345", "10", "password", "p@ss w0rd", "$2a$10$abcdefghijklmnop", "wJalrXUtnFEMI/K7MDENG+x",
		"/9j+4AAQSkZJRg==", "!hunter2", "*hunter2", "<hunter2", "|hunter2", "[hunter2", "correct-horse", "Tr0ub4dor&3", " hunter2\n", "my-secret",
		"app:$apr1$abcdefgh", "hunter2-placeholder", "@@hunter2",
		"vault:v1:only-an-example", "vault:hunter2", "env:hunter2", "arn:hunter2", "ENC(hunter2)", "ENC[hunter2]", "ENC[AES256_GCM,data:x]",
		"{cipher}hunter2", "{noop}hunter2", "AQICAHexample", "hunter2${NOTHING}", "$(NOTHING)p4ssw0rd",
		"{{ x }}hunter2", "hunter2<% %>",
	} {
		if !credentials.Plain("PASSWORD", value) {
			t.Errorf("%q", value)
		}
	}
}

func TestValuesThatAreNot(t *testing.T) {
	for _, value := range []string{
		"", " ", "true", "False", "no", "0", "1", "null", "~", "required", "string", "$(DB_PASSWORD)", "${DB_PASSWORD}",
		"${DB_PASSWORD:-x}", "$DB_PASSWORD", "Bearer $(TOKEN)", "$__file{/etc/secret}", "{{ .Values.password }}",
		"{{ template }}", "#{ENV['X']}", "%(ENV_X)s", "%PASSWORD%", "<placeholder>", "<your password>", "[redacted]",
		"****", "xxxxx", "...", "-", "your-password", "vault:secret/data/db#password", "vault://secret/db",
		"arn:aws:secretsmanager:ap-northeast-2:123456789012:secret:db", "ssm:/db/password", "sm://project/secret",
		"projects/p/secrets/s/versions/1", "op://vault/item/field", "ref+vault://secret/db", "ENC[AES256_GCM,data:pU3KGCUwux1tEyze1iM=,iv:ey7ZHj9yH8sZcRdElNZJPJ1cNGC+MSAeaf7aoO7ouZk=,tag:f1x8KZn9r+WTJTzWVK9N+g==,type:str]",
		"ENC(nrmZtkF7T0kjG/VodDvBw93Ct8EgjCA+)",
		"{cipher}682bc583f4641835fa2db009355293665d2647dade3375c0ee201de2a49f7bda", "AQICAHhC2ITPTP2nLY4dXdkliQgthSpxIoc+6AWt1YlCFno4UoYZXGefnGmU5FuKsQmAEgcJYfN95Dbd/cmdbnWvZUfPsRtCBySC3FMcK8OQfJYX615QieQBhrqopX0Rnm+2XQCrwyrzjmZ/Ai6HLUnMFckLmZt3K0/Hpv1MkUoW20cIdSsPFUS4NcDnGQl9+ocB6SMvIfKBJod4aXbr/MMn9ZMXZSdLqYKbRAb2Hw==", "vault:v1:+Ikyb/qUku3u7jxmnyvyCJTqJ+aJxmtrJi5IhrhDjzm6dv74yQxRAQ==",
		"-----BEGIN PGP MESSAGE-----", "-----BEGIN PGP MESSAGE-----\nVersion: GnuPG v2\n\nhQEMA", "env:DB_PASSWORD", "secretsmanager:db:SecretString:password",
		"pre-$(DB_PASSWORD)-post", "{user}:{password}", "postgresql-${ENV}", "/run/secrets/db", "/etc/x/password",
		"./secrets/x", "~/.pgpass", "file:/run/secrets/x", "tls.key", "server.pem", "https://example.com/token",
		"postgres://user@host/db", "process.env.X", "1.2.3", "placeholder", "password-placeholder-0", "@@DB_PASSWORD@@",
		"app:$PW", "app:${PW}", "`cat /run/x`", "debug", "SecretStr", "varchar",
		"required|min:8|confirmed", "nullable|string", sealed,
	} {
		if credentials.Plain("PASSWORD", value) {
			t.Errorf("%q", value)
		}
	}
}

// sealed is a value in kubeseal's format: a length in two bytes, a key of that length, and the value.
var sealed = base64.StdEncoding.EncodeToString([]byte("\x02\x00" + strings.Repeat("\xa7\x1c\xf3", 180)))

func TestNamesOfObjects(t *testing.T) {
	for _, row := range [][2]string{
		{"webhook-secret", "cert-manager/webhook-tls"},
		{"AUTH_SECRET", "oauth2-proxy-credentials"},
		{"secret", "ingress/certificate"},
		{"VAULT_SECRET", "secret/data/app"},
		{"apiKey", "X-API-Key"},
		{"credentials", "instance_profile"},
		{"access-token", "projected"},
		{"secret", "argocd-redis"},
		{"credentials", "cloud-creds"},
		{"user.signingkey", "3AA5C34371567BD2"},
		{"signingkey", "0xA1B2C3D4E5F60718!"},
	} {
		if credentials.Plain(row[0], row[1]) {
			t.Errorf("%q", row)
		}
	}
}

func TestCredentialsThatAreNoObjects(t *testing.T) {
	for _, row := range [][2]string{
		{"JWT_SECRET", "my-app"},
		{"secret", "hunter2"},
		{"API_KEY", "cert-manager/webhook-tls"},
		{"CLIENT_SECRET", "wJalrXUtnFEMI/K7MDENG"},
		{"signingkey", "3aa5c34371567bd2"},
		{"signingkey", "3AA5C34371567BD2FF"},
		{"secret", "3AA5C34371567BD2"},
		{"PASSWORD", "AgA" + strings.Repeat("x7", 90)},
		{"PASSWORD", "required|hunter2"},
	} {
		if !credentials.Plain(row[0], row[1]) {
			t.Errorf("%q", row)
		}
	}
}

// Words next to a name are a field or a mode as often as a password: they are reported, but do not deny.
func TestWordsAreOnlyLikely(t *testing.T) {
	for text, likely := range map[string]bool{
		"password=premium":                       true,
		"password=Premium":                       true,
		"run --password PREMIUM]":                true,
		`<property name="password" value="me"/>`: true,
		"password=premium1":                      false,
		"password=preMium":                       false,
		"password: SecretField":                  true,
		"password: AwsSecretRef":                 true,
		"password: newPassword":                  true,
		"password=CopperVelvet1x9":               false,
		"password=hunterKey2":                    false,
		"'password' => 'alpha|size:8|same:x'":    true,
		"waiting with token '16697881a' to end":  true,
		"CREATE ROLE a PASSWORD '16697881a'":     false,
		"basic --auth=admin:hun7er2x":            false,
		"<password id='x'>hunter2</password>":    false,
		"'password' => 'alpha|Size8!|x'":         false,
		"password=three-short-words":             true,
		"password=rate:errors:rate5m":            true,
		"password=three-sh0rt-words":             false,
		"password=abcdefghijklmnopqrstuvw":       false,
		"run --password pre!mium":                false,
	} {
		found := credentials.Text("app.conf", text)
		if len(found) != 1 || found[0].Likely != likely {
			t.Errorf("%s: want one, likely %t; got %+v", text, likely, found)
		}
	}
}
