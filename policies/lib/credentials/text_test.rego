package taffrail.lib.credentials_test

import data.taffrail.lib.credentials
import future.keywords.not

whats(text) := {hit.what | some hit in credentials.found(text)}

# The examples of tokens are put together, so that no scanner of repositories takes them for leaks.
letters(n) := substring("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", 0, n)

digits(n) := substring("0123456789012345678901234567890123456789", 0, n)

examples := {
	"AWS": ["an AWS access key", concat("", ["key AKIA", "QWERTYUIOPASDFGH", " x"])],
	"AWS, temporary": ["an AWS access key", concat("", ["ASIA", "QWERTYUIOPASDFGH"])],
	"RSA": ["a private key", concat("", ["-----BEGIN RSA ", "PRIVATE KEY-----\nMIIEowIBAAKCAQEAexample"])],
	"PKCS 8 in JSON": ["a private key", concat("", ["-----BEGIN ", `PRIVATE KEY-----\nMIIEowIBAAKCAQEAexample`])],
	"SSH": ["a private key", concat("", ["-----BEGIN OPENSSH ", "PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA"])],
	"JWT": ["a JSON Web Token", "x=eyJhbGciOiJub25lIn0.eyJzdWIiOiJleGFtcGxlIn0.c2lnbmF0dXJl"],
	"GitHub": ["a GitHub token", concat("", ["ghp_", letters(36)])],
	"GitLab": ["a GitLab token", concat("", ["glpat-", letters(20)])],
	"Slack": ["a Slack token", concat("", ["xoxb-", digits(12), "-", letters(20)])],
	"Slack, webhook": ["a Slack webhook", concat("", ["https://hooks.slack.com/services/", "T000/B000/", letters(24)])],
	"Stripe": ["a Stripe key", concat("", ["sk_live_", letters(24)])],
	"Google": ["a Google API key", concat("", ["AIza", letters(35)])],
	"registry": ["a registry's password", `{"auths": {"registry.example": {"auth": "dXNlcjpwYXNz"}}}`],
	"URL": ["a URL with a password", "postgres://app:hunter2@db/app"],
	"URL, no user": ["a URL with a password", "redis://:hunter2@redis:6379/0"],
	"URL of several hosts": ["a URL with a password", "mongodb://app:hunter2@a:27017,b:27017/app"],
	"URL, a host that begins with sha": ["a URL with a password", "redis://:hunter2@shared-redis:6379/0"],
	"URL, a host that begins with sha2": ["a URL with a password", "postgres://app:hunter2@sha2.example/app"],
	"URL in a file": ["a URL with a password", "a: 1\nurl: amqp://guest:guest@rabbit:5672/\nb: 2"],
	"DSN of Go": ["an address with a password", "app:hunter2@tcp(db:3306)/app"],
	"curl": ["a password for curl", "curl -fsS -u app:hunter2 https://example.com"],
	"curl, long": ["a password for curl", "curl --user 'app:hunter2' https://example.com"],
	"mysql": ["a password for mysql", "mysqladmin ping -uroot -phunter2"],
	"mariadb": ["a password for mariadb", "mariadb-admin ping -phunter2"],
	"redis-cli": ["a password for redis-cli", "redis-cli -h redis -a hunter2 ping"],
	"sshpass": ["a password for sshpass", "sshpass -p hunter2 ssh host"],
	"redis.conf": ["a password for Redis", "port 6379\nrequirepass hunter2\n"],
	"Authorization": ["a header Authorization", "Authorization: Bearer abcdefgh"],
	"Authorization in curl": ["a header Authorization", "curl -H 'Authorization: Basic YXBwOmh1bnRlcjI=' https://example.com"],
	"Authorization in JSON": ["a header Authorization", `{"Authorization": "Bearer abcdefgh"}`],
	"SQL": ["a password in SQL", "CREATE USER 'app'@'%' IDENTIFIED BY 'hunter2';"],
	"GitHub, OAuth": ["a GitHub token", concat("", ["gho_", letters(36)])],
	"GitHub, user": ["a GitHub token", concat("", ["ghu_", letters(36)])],
	"GitHub, server": ["a GitHub token", concat("", ["ghs_", letters(36)])],
	"GitHub, refresh": ["a GitHub token", concat("", ["ghr_", letters(36)])],
	"GitHub, fine-grained": ["a GitHub token", concat("", ["github_pat_", letters(40)])],
	"GitLab, runner": ["a GitLab token", concat("", ["glrt-", letters(20)])],
	"GitLab, deploy": ["a GitLab token", concat("", ["gldt-", letters(20)])],
	"Stripe, test": ["a Stripe key", concat("", ["sk_test_", letters(24)])],
	"Stripe, restricted": ["a Stripe key", concat("", ["rk_live_", letters(24)])],
	"Anthropic": ["an API key", concat("", ["sk-ant-", letters(24)])],
	"OpenAI": ["an API key", concat("", ["sk-proj-", letters(24)])],
	"redis.conf of a replica": ["a password for Redis", "port 6379\nmasterauth hunter2\n"],
	"SQL in lower case": ["a password in SQL", "create user app identified by 'hunter2';"],
	"npm": ["an npm token", concat("", ["npm_", letters(36)])],
	"PyPI": ["a PyPI token", concat("", ["pypi-AgE", letters(30)])],
	"Docker": ["a Docker token", concat("", ["dckr_pat_", letters(20)])],
	"Hugging Face": ["a Hugging Face token", concat("", ["hf_", letters(34)])],
	"SendGrid": ["a SendGrid key", concat("", ["SG.", letters(22), ".", letters(43)])],
	"Vault": ["a Vault token", concat("", ["hvs.", letters(24)])],
	"DigitalOcean": ["a DigitalOcean token", concat("", ["dop_v1_", digits(32), digits(32)])],
	"Shopify": ["a Shopify token", concat("", ["shpat_", digits(32)])],
	"Databricks": ["a Databricks token", concat("", ["dapi", digits(32)])],
	"age": ["a private key", concat("", ["AGE-SECRET-KEY-1", upper(letters(50))])],
}

test_shapes[name] if {
	some name, [what, text] in examples
	whats(text) == {what}
}

test_every_shape_has_an_example[needle] if {
	some needle, _ in credentials.shapes
	some [_, text] in examples
	contains(text, needle)
}

test_every_command_has_an_example[needle] if {
	some needle, _ in credentials.commands
	some [_, text] in examples
	contains(text, needle)
}

test_names_in_texts[name] if {
	some name, text in {
		"password 1": "password=hunter2",
		"password 2": "password: hunter2",
		"password 3": "password: \"hunter2\" # for now",
		"password 4": "password = hunter2\nother = x",
		"password 5": "password: password",
		"password 6": "  password: changeme\r\nother: x",
		"password 7": `{"user": "app", "password": "hunter2"}`,
		"password 8": `{"password":"hunter2","user":"app"}`,
		"password 9": `{\"password\": \"hunter2\"}`,
		"password 10": "{\"password\": 12345}",
		"password 11": "<password>hunter2</password>",
		"password 12": "--password=hunter2",
		"password 13": "login --user app --password hunter2",
		"password 15": "{\n  \"password\": 12345,\n  \"user\": 1\n}",
		"db.password 1": "db.user=app\ndb.password=hunter2\n",
		"db_password 1": "export DB_PASSWORD='hunter2' && run",
		"db_password 2": "DB_PASSWORD=hunter2 ./run",
		"spring.datasource.password 1": "-Xmx1g -Dspring.datasource.password=hunter2 -jar app.jar",
		"apikey 1": `"apiKey": "abcdef"`,
		"client-secret 1": "client-secret: abcdef",
		"db.password.old 1": "db.password.old=hunter2\n",
		"secret_key_base 1": "SECRET_KEY_BASE=3f2a9c8e7d6b5a4f",
		"secret 1": `a = {token_type="x", "secret": "hunter2"}`,
		"password 16": "a: 1\n# the password: none\npassword: hunter2",
	}
	{hit.name | some hit in credentials.found(text)} == {split(name, " ")[0]}
}

# JAAS, DSNs, ADO, JDBC: the name may be told only where it is no part of another value.
test_names_that_are_not_told[text] if {
	some text in [
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
	]
	whats(text) == {"a credential"}
}

test_texts_without[text] if {
	some text in [
		"", "info", "https://example.com:8080/a?b=c@d", "postgres://user@host/db", "docker://alpine:3.18@sha256:abc",
		"docker://alpine:3.18@sha512:abc", "absent(kube_secret_info{namespace=\"shop\",secret=\"wildcard\"}) == 1",
		"https://$(USER):$(PASSWORD)@example.com", "https://x-access-token:${TOKEN}@github.com/a/b", "https://u:<password>@h",
		"https://token.actions.githubusercontent.com", "AKIAIOSFODNN7EXAMPLE", "-----BEGIN CERTIFICATE-----\nMIIExample",
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
		"Login required password=\"password-placeholder-0\";", "mysqldump -p`cat /x` db", "copy --src-creds=\"app:$PW\"",
		"connect(\"db\", user=user, password=password)", "client = Client(\n    password=password,\n    token=get.token,\n)",
	]
	credentials.found(text) == set()
}

test_far_into_a_long_text if {
	lines := concat("\n", [sprintf("line %d of a file with a password in it, key: value", [i]) | some i in numbers.range(1, 1500)])
	whats(lines) == set()
	whats(concat("\n", [lines, "db.password=hunter2"])) == {"the credential \"db.password\""}
	whats(concat("\n", ["db.password=hunter2", lines])) == {"the credential \"db.password\""}
	whats(concat(" ", [lines, "x", "postgres://app:hunter2@db/app"])) == {"a URL with a password"}
}

test_long_names_are_not_told if {
	name := concat("", [letters(40), letters(40), letters(40), "password"])
	{hit.name | some hit in credentials.found(concat("", [name, "=hunter2"]))} == {""}
}

test_nothing_of_a_value_is_told[text] if {
	some text in [
		"--password=hunter2token=hunter2", "password: \"hunter2,token=hunter2\"", "a=hunter2;hunter2_token=hunter2",
		"https://app:hunter2@db?password=hunter2", "hunter2 hunter2secret=hunter2",
	]
	found := credentials.found(text)
	count(found) > 0
	not contains(json.marshal(found), "hunter2")
}
