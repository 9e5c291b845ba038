package credentials_test

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"taffrail.dev/webhook/credentials"
	"taffrail.dev/webhook/decision"
)

const guid = "01234567-89ab-cdef-0123-456789abcdef"

func whats(text string) []string {
	var all []string
	for _, m := range credentials.Text("", text) {
		all = append(all, m.What)
	}
	return all
}

func names(text string) []string {
	var all []string
	for _, m := range credentials.Text("", text) {
		all = append(all, m.Name)
	}
	return all
}

// The example tokens are assembled at run time, so that repository scanners do not report them as leaks.
func letters(n int) string { return strings.Repeat("abcdefghijklmnopqrstuvwxyz", 3)[:n] }

func digits(n int) string { return strings.Repeat("0123456789", 7)[:n] }

// ceph returns the key of a Ceph client, created at the given time.
func ceph(time byte) string {
	return base64.StdEncoding.EncodeToString([]byte("\x01\x00" + string([]byte{time}) + "2345678\x10\x000123456789abcdef"))
}

// examples returns the description and an example text of every shape.
func examples() [][2]string {
	return [][2]string{
		{"an AWS access key", "key AKIA" + "QWERTYUIOPASDFGH" + " x"},
		{"an AWS access key", "ASIA" + "QWERTYUIOPASDFGH"},
		{"a private key", "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEowIBAAKCAQEAexample"},
		{"a private key", "-----BEGIN " + `PRIVATE KEY-----\nMIIEowIBAAKCAQEAexample`},
		{"a private key", "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA"},
		{"a JSON Web Token", "x=eyJhbGciOiJub25lIn0.eyJzdWIiOiJleGFtcGxlIn0.c2lnbmF0dXJl"},
		{"a GitHub token", "ghp_" + letters(36)},
		{"a GitLab token", "glpat-" + letters(20)},
		{"a Slack token", "xoxb-" + digits(12) + "-" + letters(20)},
		{"a Slack webhook", "https://hooks.slack.com/services/" + "T000/B000/" + letters(24)},
		{"a Stripe key", "sk_live_" + letters(24)},
		{"a Google API key", "AIza" + letters(35)},
		{"a registry's password", `{"auths": {"registry.example": {"auth": "dXNlcjpwYXNz"}}}`},
		{"a URL with a password", "postgres://app:hunter2@db/app"},
		{"a URL with a password", "redis://:hunter2@redis:6379/0"},
		{"a URL with a password", "mongodb://app:hunter2@a:27017,b:27017/app"},
		{"a URL with a password", "redis://:hunter2@shared-redis:6379/0"},
		{"a URL with a password", "postgres://app:hunter2@sha2.example/app"},
		{"a URL with a password", "a: 1\nurl: amqp://guest:guest@rabbit:5672/\nb: 2"},
		{"an address with a password", "app:hunter2@tcp(db:3306)/app"},
		{"a password for curl", "curl -fsS -u app:hunter2 https://example.com"},
		{"a password for curl", "curl --user 'app:hunter2' https://example.com"},
		{"a password for mysql", "mysqladmin ping -uroot -phunter2"},
		{"a password for mariadb", "mariadb-admin ping -phunter2"},
		{"a password for redis-cli", "redis-cli -h redis -a hunter2 ping"},
		{"a password for sshpass", "sshpass -p hunter2 ssh host"},
		{"a password for Redis", "port 6379\nrequirepass hunter2\n"},
		{"a header Authorization", "Authorization: Bearer abcdefgh"},
		{"a header Authorization", "curl -H 'Authorization: Basic YXBwOmh1bnRlcjI=' https://example.com"},
		{"a header Authorization", `{"Authorization": "Bearer abcdefgh"}`},
		{"a password in SQL", "CREATE USER 'app'@'%' IDENTIFIED BY 'hunter2';"},
		{"a GitHub token", "gho_" + letters(36)},
		{"a GitHub token", "ghu_" + letters(36)},
		{"a GitHub token", "ghs_" + letters(36)},
		{"a GitHub token", "ghr_" + letters(36)},
		{"a GitHub token", "github_pat_" + letters(40)},
		{"a GitLab token", "glrt-" + letters(20)},
		{"a GitLab token", "gldt-" + letters(20)},
		{"a Stripe key", "sk_test_" + letters(24)},
		{"a Stripe key", "rk_live_" + letters(24)},
		{"an API key", "sk-ant-" + letters(24)},
		{"an API key", "sk-proj-" + letters(24)},
		{"a password for Redis", "port 6379\nmasterauth hunter2\n"},
		{"a password in SQL", "create user app identified by 'hunter2';"},
		{"an npm token", "npm_" + letters(36)},
		{"a PyPI token", "pypi-AgE" + letters(30)},
		{"a Docker token", "dckr_pat_" + letters(20)},
		{"a Hugging Face token", "hf_" + letters(34)},
		{"a SendGrid key", "SG." + letters(22) + "." + letters(43)},
		{"a Vault token", "hvs." + letters(24)},
		{"a DigitalOcean token", "dop_v1_" + digits(32) + digits(32)},
		{"a Shopify token", "shpat_" + digits(32)},
		{"a Databricks token", "dapi" + digits(32)},
		{"a private key", "AGE-SECRET-KEY-1" + strings.ToUpper(letters(50))},
		{"a registry's password", `{\"auths\": {\"registry.example\": {\"auth\": \"dXNlcjpwYXNz\"}}}`},
		{"a private key", "PuTTY-User-Key-File-" + "3: ssh-ed25519\nEncryption: none"},
		{"a private key in base64", "LS0tLS1CRUdJTi" + "BSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFcEFJQkFBS0NBUUVBdDFY"},
		{"a GitLab token", "glptt-" + letters(20)},
		{"a GitLab token", "glcbt-" + letters(20)},
		{"a Slack token", "xapp-1-" + "A0123-" + digits(12) + "-" + strings.Repeat("0a", 16)},
		{"a Stripe key", "rk_test_" + letters(24)},
		{"a Stripe key", "whsec_" + letters(32)},
		{"a Google OAuth secret", "GOCSPX-" + letters(28)},
		{"an API key", "sk-svcacct-" + letters(24)},
		{"a Vault token", "hvb." + letters(24)},
		{"a DigitalOcean token", "doo_v1_" + digits(32) + digits(32)},
		{"a Shopify token", "shpss_" + digits(32)},
		{"a Shopify token", "shpca_" + digits(32)},
		{"a Grafana token", "glsa_" + letters(32) + "_0123abcd"},
		{"a Grafana token", "glc_eyJ" + letters(40)},
		{"a Linear key", "lin_api_" + letters(40)},
		{"an Atlassian token", "ATATT3" + letters(60)},
		{"a Terraform token", letters(14) + ".atlasv1." + letters(60)},
		{"a Mailgun key", "key-" + digits(32)},
		{"a New Relic key", "NRAK-" + strings.ToUpper(letters(27))},
		{"a SonarQube token", "sqp_" + digits(40)},
		{"a SonarQube token", "squ_" + digits(40)},
		{"a SonarQube token", "sqa_" + digits(40)},
		{"a Honeycomb key", "hcaik_" + letters(58)},
		{"a Honeycomb key", "hcbik_" + letters(58)},
		{"a Honeycomb key", "hcamk_" + letters(58)},
		{"a Ceph key", "[client.admin]\nkey = " + ceph(0x0f)},
		{"a Ceph key", ceph(0x4f)},
		{"a Ceph key", ceph(0x8f)},
		{"a Ceph key", ceph(0xcf)},
		{"a Tailscale key", "tskey-" + "auth-" + letters(20)},
		{"a Telegram token", digits(9) + ":AA" + letters(33)},
		{"a Slack webhook", "https://hooks.slack.com/workflows/" + "T000/A000/123/" + letters(24)},
		{"a Discord webhook", "https://discord.com/api/webhooks/" + digits(18) + "/" + letters(60)},
		{"a Teams webhook", "https://acme.webhook.office.com/webhookb2/" + guid + "@" + guid + "/IncomingWebhook/" + digits(32) + "/" + guid},
		{"a Teams webhook", "https://outlook.office.com/webhook/" + guid + "@" + guid + "/IncomingWebhook/" + digits(32) + "/" + guid},
		{"a webhook of Google Chat", "https://chat.googleapis.com/v1/spaces/AAAA/messages?a=b&token=" + letters(30) + "%3D"},
		{"a webhook", "https://hooks.zapier.com/hooks/catch/" + "12345/abcdef"},
		{"a webhook", "https://maker.ifttt.com/trigger/x/with/key/" + letters(22)},
		{"a webhook", "https://events.pagerduty.com/integration/" + digits(32) + "/enqueue"},
		{"a webhook", "https://open.feishu.cn/open-apis/bot/v2/hook/" + guid},
		{"a webhook", "https://open.larksuite.com/open-apis/bot/v2/hook/" + guid},
		{"a webhook", "https://oapi.dingtalk.com/robot/send?access_token=" + digits(64)},
		{"a webhook", "https://api.telegram.org/bot" + digits(9) + ":" + letters(35) + "/sendMessage"},
		{"a webhook", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=" + guid},
		{"a URL with a signature", "https://a.blob.core.windows.net/c?sv=1&sig=" + letters(40)},
		{"a URL with a signature", "https://b.s3.amazonaws.com/o?X-Amz-Signature=" + digits(64)},
	}
}

func TestShapes(t *testing.T) {
	for _, example := range examples() {
		// A token in the query of a webhook's URL also counts as a token.
		if got := whats(example[1]); len(got) == 0 || got[0] != example[0] && !slices.Contains(got, example[0]) || len(got) > 2 {
			t.Errorf("%s: got %q", example[0], got)
		}
	}
}

func TestEveryShapeHasAnExample(t *testing.T) {
	for _, needle := range credentials.Needles() {
		if !slices.ContainsFunc(examples(), func(example [2]string) bool { return strings.Contains(example[1], needle) }) {
			t.Errorf("no example has %q in it", needle)
		}
	}
}

// Everything that is recognized by its shape is redacted in every text that Taffrail prints.
func TestRedactKnowsTheShapes(t *testing.T) {
	for _, example := range examples() {
		if strings.HasPrefix(example[0], "a password") {
			continue // recognized by its context
		}
		if redacted := decision.Redact(example[1]); redacted == example[1] {
			t.Errorf("%s: nothing is taken out", example[0])
		}
	}
}

func TestNamesInTexts(t *testing.T) {
	for _, row := range [][2]string{
		{"password", "password=hunter2"},
		{"password", "password: hunter2"},
		{"password", "password: \"hunter2\" # for now"},
		{"password", "password = hunter2\nother = x"},
		{"password", "password: password"},
		{"password", "  password: changeme\r\nother: x"},
		{"password", `{"user": "app", "password": "hunter2"}`},
		{"password", `{"password":"hunter2","user":"app"}`},
		{"password", `{\"password\": \"hunter2\"}`},
		{"password", "{\"password\": 12345}"},
		{"password", "<password>hunter2</password>"},
		{"password", "--password=hunter2"},
		{"password", "login --user app --password hunter2"},
		{"password", "{\n  \"password\": 12345,\n  \"user\": 1\n}"},
		{"db.password", "db.user=app\ndb.password=hunter2\n"},
		{"db_password", "export DB_PASSWORD='hunter2' && run"},
		{"db_password", "DB_PASSWORD=hunter2 ./run"},
		{"spring.datasource.password", "-Xmx1g -Dspring.datasource.password=hunter2 -jar app.jar"},
		{"apikey", `"apiKey": "abcdef"`},
		{"client-secret", "client-secret: abcdef"},
		{"db.password.old", "db.password.old=hunter2\n"},
		{"secret_key_base", "SECRET_KEY_BASE=3f2a9c8e7d6b5a4f"},
		{"secret", `a = {token_type="x", "secret": "hunter2"}`},
		{"password", "a: 1\n# the password: none\npassword: hunter2"},
	} {
		if got := names(row[1]); !slices.Equal(got, row[:1]) {
			t.Errorf("%q: got %q", row[1], got)
		}
	}
}

// JAAS, DSNs, ADO, JDBC: the name may be reported only if it is not part of another value.
func TestNamesThatAreNotTold(t *testing.T) {
	for _, text := range []string{
		`org.example.Login required username="app" password="hunter2";`,
		"host=db user=app password=hunter2 dbname=app",
		"Server=db;User Id=app;Password=hunter2;",
		"jdbc:sqlserver://db:1433;user=app;password=hunter2",
		"jdbc:mysql://db/app?user=app&password=hunter2",
		"DefaultEndpointsProtocol=https;AccountName=app;AccountKey=aHVudGVyMg==;EndpointSuffix=example",
		"//registry.example/:_authToken=abcdef",
		`<user name="app" password="hunter2"/>`,
		"ALTER ROLE app WITH PASSWORD 'hunter2'",
		`redis.connect{host="db", password="hunter2"}`,
		`connect("db", user=user, password=hunter2)`,
		"connect(user=\"app\") password=swordfish, and so on",
	} {
		if got := whats(text); !slices.Equal(got, []string{"a credential"}) {
			t.Errorf("%q: got %q", text, got)
		}
	}
}

func TestTextsWithout(t *testing.T) {
	for _, text := range []string{
		"", "info", "https://example.com:8080/a?b=c@d", "postgres://user@host/db", "docker://alpine:3.18@sha256:abc",
		"docker://alpine:3.18@sha512:abc", "absent(kube_secret_info{namespace=\"shop\",secret=\"wildcard\"}) == 1",
		"https://$(USER):$(PASSWORD)@example.com", "https://x-access-token:${TOKEN}@github.com/a/b", "https://u:<password>@h",
		"https://token.actions.githubusercontent.com", "AKIAIOSFODNN7EXAMPLE", "AQA" + letters(35) + "==", "squ_" + letters(40), "-----BEGIN CERTIFICATE-----\nMIIExample",
		"-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0", "ssh-rsa AAAAB3NzaC1yc2E app@example",
		"password_file: /etc/prometheus/password", "bearer_token_file: /var/run/secrets/token",
		"credentials_file: /etc/x", "password:", "password: \"\"", "password=", "password: ${DB_PASSWORD}",
		"password: $DB_PASSWORD", "password = $__file{/etc/secrets/x}", "# password: hunter2", "; admin_password = admin",
		"// token: abcdef", "password: true", "password:\n  type: string", "\"password\": {\"type\": \"string\"}",
		"\"type\": \"password\"", "password = os.environ[\"DB_PASSWORD\"]", "password=os.getenv('X')", "token = get_token()",
		"self.password = password", "connect(password=db_password)", "const token = req.headers.token",
		"if [ \"$PASSWORD\" = \"x\" ]; then", "[[ \"$TOKEN\" == \"x\" ]]", "PASSWORD=$(cat /run/secrets/x)",
		"PASSWORD=`cat x`", "PASSWORD=\"$(< \"${F}\")\"", "token=$1", "local password=\"${MYSQL_PASSWORD:-}\"",
		"mysql -uroot -p\"${MYSQL_ROOT_PASSWORD}\"", "mysql -u root -p app", "mysql -P3306 -h db", "redis-cli -a $PASS ping",
		"curl -u \"$USER:$PASS\" https://example.com", "# requirepass foobared", "Authorization: Bearer $TOKEN",
		"authorization:\n  type: Bearer", "proxy_set_header Authorization $http_authorization;",
		"{\"eos_token\": \"</s>\", \"token\": false}", "kube_secret_info{secret=~\"x.*\"}", "secret: my-app-tls",
		"password: 비밀번호", "\"password\": \"Your password\"", "forgot_password: Forgot your password?", "password: |",
		"private_key: tls.key", "private_key: /etc/tls/tls.key", "trustStorePassword=changeit", "id-token: write",
		"password: vault:secret/data/db#password", "password: <path:secret/data/db#password>", "passwords: [a, b]",
		"--token-auth-file=x", "--use-service-account-credentials=true", "--tls-private-key-file tls.key",
		"secretKeyRef: {name: db, key: password}", "imagePullSecrets: [{name: regcred}]", "passwordKey: db-password",
		"errors.password=Wrong password, try again", "max_tokens: 4096", "kind: Secret", "arn:aws:secretsmanager:ap-northeast-2:123456789012:secret:db",
		"secretArn: arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:db-AbCdEf", "secret://db/password",
		"keepalive=1", "passwd: files systemd", "passwd: files", "CREATE ROLE a PASSWORD :'pw'", "ALTER ROLE a PASSWORD :\"pw\"",
		"kube_secret_info{secret=\"wildcard\"}", `"kube_secret_info{namespace=\"shop\",secret=\"wildcard\"}"`,
		"Login required password=\"password-placeholder-0\";", "mysqldump -p`cat /x` db",
		"pwd: /", "<a accesskey=\"n\" href=\"x\">", "PASS: 1/1", "Token: '#ffffff'", "access_token=234lsdkf....", "access token::", "secret: MY_SECRET_GOES_HERE", "password: :****",
		"pkcs11:model=x;serial=1;token=System%20Trust1", "<h4 id=\"hmac-keys\">HMAC keys 2</h4>", "usage: x [--help][--credential user1|user2][--dir PATH]", "az ad sp create --sdk-auth > x1.json", "--auth=oidc1", "--anonymous-auth allow1",
		"database.password=${secrets:kafka/db:password}", "token: ${vault:kv/app?secret=app}",
		"db: \"{{ lookup('hashi_vault', 'secret=kv/db:password') }}\"", "{{- $x := secret(\"kv/db\", \"password=a1\") }}", "copy --src-creds=\"app:$PW\"",
		"connect(\"db\", user=user, password=password)", "client = Client(\n    password=password,\n    token=get.token,\n)",
	} {
		if got := credentials.Text("", text); got != nil {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}

func TestFarIntoALongText(t *testing.T) {
	lines := strings.Repeat("a line of a file with a password in it, key: value\n", 1500)
	for text, want := range map[string][]string{
		lines: nil, lines + "db.password=hunter2": {`the credential "db.password"`}, "db.password=hunter2\n" + lines: {`the credential "db.password"`},
		lines + " x postgres://app:hunter2@db/app": {"a URL with a password"},
	} {
		if got := whats(text); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := credentials.Text("", lines+"db.password=hunter2"); len(got) != 1 || got[0].Line != 1501 {
		t.Errorf("got %+v, want line 1501", got)
	}
}

func TestLongNamesAreNotTold(t *testing.T) {
	if got := names(letters(40) + letters(40) + letters(40) + "password=hunter2"); !slices.Equal(got, []string{""}) {
		t.Errorf("got %q", got)
	}
}

func TestNothingOfAValueIsTold(t *testing.T) {
	for _, text := range []string{
		"--password=hunter2token=hunter2", "password: \"hunter2,token=hunter2\"", "a=hunter2;hunter2_token=hunter2",
		"https://app:hunter2@db?password=hunter2", "hunter2 hunter2secret=hunter2",
	} {
		found := credentials.Text("", text)
		if told, err := json.Marshal(found); err != nil || len(found) == 0 || strings.Contains(string(told), "hunter2") {
			t.Errorf("%q: got %s", text, told)
		}
	}
}
