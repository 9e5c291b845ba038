package credentials_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"taffrail.dev/webhook/credentials"
)

var pemKey = "-----BEGIN EC " + "PRIVATE KEY-----\n" + strings.Repeat("MHcCAQEEIKx", 12) + "\n-----END EC PRIVATE KEY-----\n"

// Every sort of name and value of an env entry, a header or a key.
func TestValues(t *testing.T) {
	for _, row := range [][2]string{
		{"BIND_PW", "hunter2pw"}, {"ROOT_PW", "hunter2pw"}, {"DB_PW", "hunter2pw"}, {"rootpw", "hunter2pw"}, {"ldapBindPw", "hunter2pw"}, {"VNC_PW", "hunter2pw"}, {"PW", "hunter2pw"},
		{"NEO4J_AUTH", "neo4j/hunter2pw"}, {"FLOWER_BASIC_AUTH", "admin:hunter2pw"}, {"BASIC_AUTH", "admin:hunter2pw"}, {"REDISCLI_AUTH", "hunter2pw"},
		{"CONSUL_HTTP_AUTH", "admin:hunter2pw"}, {"ELASTIC_AUTH", "elastic:hunter2pw"}, {"GRAFANA_BASIC_AUTH", "admin:hunter2pw"},
		{"AZURE_BATCH_KEY", letters(12) + digits(12) + "QWERTYuiop=="}, {"AZURE_OPENAI_KEY", "0ef648161bf08961ac07fc3fe49d9a8e"}, {"COSMOS_DB_KEY", letters(20) + digits(20) + "=="},
		{"OCI_CLI_KEY_CONTENT", pemKey}, {"OCI_CLI_KEY_CONTENT", "hunter2pwhunter2pw"}, {"DATADOG_APP_KEY", "abcdef0123456789abcdef0123456789abcdef01"},
		{"APP_KEY", "base64:2fl+Ktvkfl+Fuz4Qp/A75G2RTiWVA/ZoKZvp6fiiM10="}, {"SUPABASE_SERVICE_ROLE_KEY", "hunter2pw"}, {"STRIPE_KEY", "whsec2fl0Ktvkfl0Fuz4Qp"},
		{"BEARER", "0a1b2c3d4e5f60718293"}, {"API_BEARER", "0a1b2c3d4e5f60718293"},
		{"TOKEN_GITHUB", "0a1b2c3d4e5f60718293"}, {"PASSWORD_DB", "hunter2pw"}, {"SECRET_JWT", "hunter2pw"}, {"PASSWD_SMTP", "hunter2pw"}, {"APP_SECRET_ROOT", "hunter2pw"},
		{"UPSTREAM", "Basic dXNlcjpodW50ZXIycHc="}, {"UPSTREAM", "Bearer 0a1b2c3d4e5f60718293"}, {"UPSTREAM", "bearer 0a1b2c3d4e5f60718293"}, {"H", "Token 0a1b2c3d4e5f60718293"},
		{"MATERIAL", base64.StdEncoding.EncodeToString([]byte(pemKey))},
		{"X-Api-Key", "0a1b2c3d4e5f60718293"}, {"X-Auth-Token", "hunter2pw"}, {"Authorization", "Basic dXNlcjpodW50ZXIycHc="}, {"PRIVATE-TOKEN", "hunter2pw"}, {"X-Sonar-Passcode", "hunter2pw"},
		{"LDAP_BIND_CRED", "hunter2pw"}, {"ldap_default_authtok", "hunter2pw"}, {"sslKeystorePass", "hunter2pw"}, {"jmxPwd", "hunter2pw"}, {"controlpass", "hunter2pw"}, {"keypass", "hunter2pw"}, {"PASS_SMTP", "hunter2pw"}, {"VAULT_DEV_ROOT_TOKEN_ID", "hunter2pw"},
		{"COSMOS_PRIMARY_KEY", letters(20) + digits(20) + "=="}, {"AZURE_SEARCH_SECONDARY_KEY", letters(20) + digits(20)}, {"VAULT_SECRET_ID", guid}, {"WORDPRESS_AUTH_SALT", letters(30) + digits(20)}, {"NONCE_SALT", letters(30) + digits(20)},
		{"WIREGUARD_PSK", "2fl+Ktvkfl+Fuz4Qp/A75G2RTiWVA/ZoKZvp6fiiM10="}, {"POSTGRES_PASSWORD", "postgres"}, {"PASSWORD", "password"}, {"DOCKER_AUTH_CONFIG", `{"auths":{"r.example":{"auth":"dXNlcjpwYXNz"}}}`},
		{"SLACK", "https://hooks.slack.com/services/" + "T000/B000/" + letters(24)}, {"EXAMPLE", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=aHVudGVyMg==;EndpointSuffix=x"},
		{"DSN", "Server=db;User Id=sa;Password=hunter2pw;"}, {"DSN", "sqlserver://sa:hunter2pw@db:1433"}, {"SB", "Endpoint=sb://a.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=aHVudGVyMg=="},
	} {
		if credentials.Value(row[0], row[1]) == nil {
			t.Errorf("%s=%s: nothing found", row[0], row[1])
		}
	}
	for _, row := range [][2]string{
		{"GOOGLE_API_KEY", "GOOGLE_API_KEY_VAL"}, {"DB_PASSWORD", "DB_PASSWORD"}, {"DB_PASSWORD", "your_db_password"}, {"API_KEY", "<API_KEY>"}, {"API_KEY", "REPLACE_WITH_API_KEY"},
		{"SECRET_KEY", "db-password"}, {"PASSWORD_KEY", "password"}, {"passwordSecretKey", "postgres-password"}, {"TOKEN_SECRET_KEY", "token"}, {"userPasswordKey", "mariadb-password"}, {"existingSecretPasswordKey", "rabbitmq-password"},
		{"NEO4J_AUTH", "none"}, {"SMTP_AUTH", "login"}, {"BASIC_AUTH", "true"}, {"BASIC_AUTH", "enabled"}, {"PROXY_AUTH", "http://auth:8080"}, {"NEO4J_AUTH", "neo4j/$(PASSWORD)"}, {"BASIC_AUTH", "admin:$2y$05$abcdefghijklmnopqrstuv"},
		{"APP_KEY", "orders"}, {"PARTITION_KEY", "0ef648161bf08961ac07fc3fe49d9a8e"}, {"GPG_KEY", "A035C8C19219BA821ECEA86B64E628F8D684696D"}, {"SSH_PUBLIC_KEY", "0ef648161bf08961ac07fc3fe49d9a8e"}, {"RECAPTCHA_SITE_KEY", "6Lc0ef648161bf08961ac07fc3fe49d9a8e"},
		{"ROUTING_KEY", "orders.created.v1"}, {"STORAGE_KEY", "uploads/2024/file1.png"}, {"CACHE_KEY", "0ef648161bf08961ac07fc3fe49d9a8e"},
		{"TOKEN_GITHUB", "${TOKEN}"}, {"SECRET_NAME", "db"}, {"TOKEN_REFRESH_INTERVAL", "300s"}, {"PASSWORD_MIN_LENGTH", "12"}, {"SECRET_STORE", "vault-backend"}, {"TOKEN_ISSUER", "https://issuer.example"}, {"SECRET_PATH", "secret/data/app"},
		{"NOTE", "Basic authentication is used here"}, {"NOTE", "Bearer tokens expire"}, {"TYPE", "Bearer"}, {"AUTH", "Bearer $(TOKEN)"}, {"AUTH", "Basic ${CREDENTIALS}"},
		{"MATERIAL", base64.StdEncoding.EncodeToString([]byte("-----BEGIN CERTIFICATE-----\nMIIBeTCCAR6gAwIBAgIBATAKBggqhkjOPQQDAjAXMRUwEw"))},
		{"DB_PASSWORD", "op://vault/db/password"}, {"DB_PASSWORD", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db"}, {"DB_PASSWORD", "gcp:secretmanager:projects/p/secrets/s"}, {"DB_PASSWORD", "azurekeyvault@db"}, {"DB_PASSWORD", "{{resolve:secretsmanager:db}}"},
		{"SACRED", "hunter2pw"}, {"renderPass", "forward1"}, {"ProxyPass", "backend1"}, {"highPass", "filter12"}, {"bypass", "hunter2pw"}, {"sslTruststorePass", "changeit1"}, {"PASS_HEADERS", "x-request-id1"}, {"PASS_THROUGH", "hunter2pw"}, {"ROOT_TOKEN_ID", "a1"},
		{"TABLE_PRIMARY_KEY", letters(20) + digits(20)}, {"AWS_SECRET_ID", "shop/prod/db"}, {"SECRET_ID", "orders-db"}, {"CACHE_SALT", letters(30) + digits(20)}, {"SALT", "kosher"}, {"PASSWORD_HASHERS", "argon2,bcrypt_sha256"}, {"TOKEN_VALIDATORS", "issuer2,audience"}, {"PASSWORD_HASHING", "pbkdf2-sha512"}, {"TOKEN_HANDLERS", "oauth2-handler"},
		{"IMAGE", "registry.example/web@sha256:abc"}, {"URL", "https://user@host.example/x"}, {"COMPASS", "north"}, {"MONKEY", "0ef648161bf08961ac07fc3fe49d9a8e"},
	} {
		if got := credentials.Value(row[0], row[1]); got != nil {
			t.Errorf("%s=%s: found %+v", row[0], row[1], got)
		}
	}
}

// Every client in the table is recognized by its flags, in an argument vector and in a shell command.
func TestCommands(t *testing.T) {
	for _, line := range []string{
		"docker login -u me -p hunter2pw", "podman login -u me --password hunter2pw r.example", "helm registry login r.example -u me -p hunter2pw", "nerdctl login -phunter2pw", "buildah login -p hunter2pw r", "crane auth login -u me -p hunter2pw r", "skopeo login -p hunter2pw r",
		"skopeo copy --src-creds me:hunter2pw docker://a dir:/b", "oc login --token=hunter2pw", "oc login -u me -p hunter2pw", "az login -u me -p hunter2pw", "az login --service-principal -u x -p hunter2pw --tenant t", "argocd login a --password hunter2pw",
		"ldapsearch -x -D cn=admin -w hunter2pw", "ldapadd -whunter2pw -f x.ldif", "ldappasswd -s hunter2pw uid=x", "sqlcmd -S db -U sa -P Hunter2pw", "/opt/mssql-tools18/bin/sqlcmd -PHunter2pw", "bcp t in f -U sa -P Hunter2pw",
		"mysql -uroot -phunter2pw", "mysqldump --password=hunter2pw db", "mariadb -phunter2pw", "mongo -u root -p hunter2pw", "mongosh -phunter2pw", "mongodump -u a -p hunter2pw", "redis-cli -a hunter2pw ping", "redis-cli --pass hunter2pw ping", "redis-cli config set requirepass hunter2pw", "valkey-cli -a hunter2pw",
		"redis-server --requirepass hunter2pw", "psql postgresql://u:hunter2pw@db/x", "PGPASSWORD=hunter2pw psql -h db", "sqlplus system/hunter2pw@db", "cqlsh -u a -p hunter2pw", "clickhouse-client --password hunter2pw", "cypher-shell -u neo4j -p hunter2pw", "neo4j-admin dbms set-initial-password hunter2pw",
		"keytool -list -storepass hunter2pw", "keytool -genkey -keypass hunter2pw", "keytool -importkeystore -srcstorepass hunter2pw", "openssl rsa -passin pass:hunter2pw -in k", "openssl enc -aes-256-cbc -k hunter2pw", "openssl pkcs12 -export -passout pass:hunter2pw", "gpg --batch --passphrase hunter2pw -d f", "ssh-keygen -t rsa -N hunter2pw -f k",
		"htpasswd -bc /etc/x user hunter2pw", "htpasswd -nb user hunter2pw", "htpasswd -b -c f user hunter2pw", "mosquitto_passwd -b f user hunter2pw", "mosquitto_pub -u a -P hunter2pw -t x", "rabbitmqctl add_user a hunter2pw", "rabbitmqctl change_password a hunter2pw", "rabbitmqadmin -u a -p hunter2pw list queues",
		"mc alias set m http://minio:9000 access hunter2pw", "mc config host add m http://minio:9000 access hunter2pw", "mc admin user add m user hunter2pw", "aws configure set aws_secret_access_key hunter2pw", "aws configure set default.aws_secret_access_key hunter2pw",
		"sshpass -p hunter2pw ssh h", "sshpass -phunter2pw ssh h", "curl -u a:hunter2pw http://x", "curl -ua:hunter2pw http://x", "curl --user a:hunter2pw http://x", "curl -H 'X-Api-Key: hunter2pw0' http://x", "curl -H \"Authorization: Bearer hunter2pw0\" http://x", "curl --proxy-user a:hunter2pw http://x", "wget --http-password=hunter2pw http://x",
		"vault login hunter2pw", "vault operator unseal hunter2pw", "vault login -method=userpass username=a password=hunter2pw", "etcdctl --user root:hunter2pw get x", "smbclient //h/s -U a%hunter2pw", "lftp -u a,hunter2pw h", "ipmitool -H h -U a -P hunter2pw power status", "zip -P hunter2pw a.zip f", "unzip -P hunter2pw a.zip", "7z x -phunter2pw a.7z",
		"kadmin -p a -w hunter2pw -q x", "twine upload -u a -p hunter2pw dist", "dotnet nuget push a -k hunter2pw", "kcadm.sh config credentials --server s --user a --password hunter2pw", "gitlab-runner register -r hunter2pw", "grafana-cli admin reset-admin-password hunter2pw", "tailscale up --authkey=hunter2pw", "cloudflared tunnel run --token hunter2pw",
		"ngrok authtoken hunter2pw", "ngrok config add-authtoken hunter2pw", "snyk auth hunter2pw", "sonar-scanner -Dsonar.login=hunter2pw", "echo hunter2pw | docker login -u a --password-stdin", "echo root:hunter2pw | chpasswd", "mount -t cifs -o username=a,password=hunter2pw //h/s /m", "consul members -token=hunter2pw",
		"echo \"password: hunter2pw\" > /etc/app.yaml", "printf 'password=hunter2pw\\n' > f", "echo \"requirepass hunter2pw\" >> /etc/redis.conf", "echo 'machine x login a password hunter2pw' > ~/.netrc", "export DB_PASSWORD=hunter2pw; run", "env DB_PASSWORD=hunter2pw run", "kubectl create secret generic x --from-literal=password=hunter2pw",
		"set -e; while true; do redis-cli -a hunter2pw ping && break; sleep 1; done", "nohup mysqladmin ping -phunter2pw &", "cat > f <<EOF\npassword: hunter2pw\nEOF", "if mysqladmin -phunter2pw ping; then exit 0; fi", "curl -sf \\\n  -u a:hunter2pw \\\n  http://x", "app -password hunter2pw", "app -db-password hunter2pw",
		"npm config set //r.example/:_authToken hunter2pw", "pulumi config set --secret dbPassword hunter2pw", "echo hunter2pw | kinit me@X.EXAMPLE", "kinit me <<< 'hunter2pw'", "chpasswd <<< me:hunter2pw", "sed -i 's/__PASSWORD__/hunter2pw/' /etc/x.conf", "sed -e \"s|@@DB_PASSWORD@@|hunter2pw|g\" x", "perl -pi -e 's/%API_TOKEN%/hunter2pw/' x",
		"http -a me:hunter2pw GET x.example", "xh --auth me:hunter2pw x.example", "hey -a me:hunter2pw http://x", "ab -A me:hunter2pw http://x/", "redis-benchmark -a hunter2pw", "memtier_benchmark -a hunter2pw", "vault server -dev -dev-root-token-id=hunter2pw", "vault server -dev -dev-root-token-id hunter2pw",
		"nats-server --auth hunter2pw", "app --auth 0a1b2c3d4e5f60718293", "airflow users create -u a -p hunter2pw -r Admin", "turnserver --lt-cred-mech --user=me:hunter2pw", "odoo -d x -w hunter2pw", "ncftpput -u a -p hunter2pw h /d f", "kubeadm join h:6443 --certificate-key 0ef648161bf08961",
	} {
		if credentials.Words([]string{"sh", "-c", line}, nil) == nil {
			t.Errorf("sh -c %s: nothing found", line)
		}
		if fields := strings.Fields(line); !strings.ContainsAny(line, "'\"|>;&=<\\") && credentials.Words(fields, nil) == nil {
			t.Errorf("%s: nothing found", fields)
		}
	}
	for _, line := range []string{
		"docker login -u me -p $PASSWORD", "docker login -u me --password-stdin < /run/secret", "docker run -p 8080:80 nginx", "docker login -u me -p \"$(cat /run/secrets/p)\"", "echo $TOKEN | docker login --password-stdin", "helm install -p x",
		"ldapsearch -x -D cn=admin -y /run/secrets/pw", "ldapsearch -w $LDAP_PW", "ldapsearch -W -D x", "sqlcmd -P $SA_PASSWORD", "sqlcmd -P \"${SA_PASSWORD}\" -Q 'select 1'", "mysql -uroot -p", "mysql -P 3306 -h db", "mysqladmin -p\"$MYSQL_ROOT_PASSWORD\" ping", "mysql --port 3306",
		"mongo --port 27017", "mongosh -u root -p \"$PW\"", "redis-cli -h redis -p 6379 ping", "redis-cli -a \"$REDIS_PASSWORD\" ping", "psql -p 5432 -U app -w", "pg_isready -U postgres -p 5432", "keytool -storepass:env PASS", "keytool -storepass \"$P\"", "openssl rsa -passin file:/run/p", "openssl rsa -passin env:P", "openssl req -new -key k.pem -out c.csr",
		"htpasswd -bc f user \"$P\"", "htpasswd -nb user \"$P\" hunter2pw", "rabbitmqctl add_user a \"$P\"", "rabbitmqctl await_startup", "mc alias set m http://minio:9000 $A $S", "mc alias list", "aws s3 cp a b", "aws configure set region eu-west-1", "sshpass -e ssh h", "sshpass -f /run/p ssh h", "curl -u $U:$P http://x", "curl -u a: http://x", "curl -U x http://y", "curl -fsS http://x",
		"vault login -method=kubernetes role=app", "vault login \"$TOKEN\"", "etcdctl --endpoints x get y", "tar -xzf a -p", "mkdir -p /a/b", "cp -p a b", "nc -w 5 h 80", "ssh -p 22 h", "sudo -u app run", "grep -w word f", "apt-get install -y mysql-client curl", "useradd -u 1000 app", "java -jar app.jar --token-file=/x",
		"npm config set registry https://r.example", "npm config set //r.example/:_authToken $NPM_TOKEN", "git config set password.helper", "kinit me <<< \"$PASSWORD\"", "cat <<< hunter2pw", "kinit -kt /run/keytab me", "chpasswd <<< \"me:$PASSWORD\"", "sed -i \"s/__PASSWORD__/$PASSWORD/\" x", "sed -i 's/password/passwd/' x", "sed -i 's/__HOST__/db1/' x", "sed 's/password=[^&]*/password=***/' x", "sed 's/token=.*/token=\\1/' x", "sed -n 's/^password: //p' x",
		"echo 'usage: app --user USER --password PASSWORD [--api-key KEY]'", "echo 'use --db-token=TOKEN'", "cat <<EOF\n  --password   password of the user\n  --token      token\nEOF",
		"http -a \"$U:$P\" x.example", "http GET x.example", "hey -n 100 -c 10 http://x", "vault server -dev -dev-root-token-id=$TOKEN", "airflow dags list -p", "airflow webserver -p 8080", "turnserver -u $USER:$PASS", "odoo -w $PGPASSWORD", "kubeadm join h:6443 --certificate-key $KEY",
		"echo password: ${P} > f", "cat /run/secrets/password", "test -n \"$PASSWORD\"", "echo \"token is $TOKEN\"", "az login --identity", "oc login --token=$(cat /t)", "zip -r a.zip d", "unzip -q a.zip -d d", "7z x a.7z", "consul members", "npm run build -- --key value", "run --secret-name db", "podman run --secret=db,type=env img", "docker build --secret id=npm,src=/n .", "vault kv put secret/a password=@/run/pw", "curl -d password=@pw.txt http://x", "run --secret db-credentials",
	} {
		if got := credentials.Words([]string{"sh", "-c", line}, nil); got != nil {
			t.Errorf("sh -c %s: found %+v", line, got)
		}
		if fields := strings.Fields(line); !strings.ContainsAny(line, "'\"|>;&=<\\") {
			if got := credentials.Words(fields, nil); got != nil {
				t.Errorf("%s: found %+v", fields, got)
			}
		}
	}
}

// Every file format, each under one of its names.
func TestFiles(t *testing.T) {
	for _, row := range [][2]string{
		{"fluent.conf", "<match **>\n  @type elasticsearch\n  user a\n  password hunter2pw\n</match>\n"}, {"td-agent.conf", "<match s3>\n  aws_sec_key hunter2pw\n  s3_secret_key hunter2pw\n</match>"}, {"fluent-bit.conf", "[OUTPUT]\n    Name es\n    HTTP_User a\n    HTTP_Passwd hunter2pw\n"},
		{".netrc", "machine x login a password hunter2pw\n"}, {"_netrc", "machine x\n  login a\n  password hunter2pw\n"}, {"netrc", "default login a password hunter2pw\n"},
		{"haproxy.cfg", "userlist u\n  user a insecure-password hunter2pw\n"}, {"haproxy.cfg", "listen stats\n  stats auth admin:hunter2pw\n"},
		{"redis.conf", "port 1\nrequirepass hunter2pw\n"}, {"redis.conf", "masterauth \"hunter2pw\"\n"}, {"users.acl", "user default off\nuser a on >hunter2pw ~* +@all\n"}, {"sentinel.conf", "sentinel auth-pass mymaster hunter2pw\n"},
		{"hibernate.cfg.xml", "<property name=\"hibernate.connection.password\">hunter2pw</property>"}, {"context.xml", "<Resource name=\"jdbc/x\" username=\"a\" password=\"hunter2pw\"/>"}, {"beans.xml", "<property name=\"password\" value=\"hunter2pw\"/>"}, {"beans.xml", "<property value=\"hunter2pw\" name=\"password\"/>"}, {"web.config", "<add key=\"ApiKey\" value=\"hunter2pw\" />"},
		{"hive-site.xml", "<property>\n  <name>javax.jdo.option.ConnectionPassword</name>\n  <value>hunter2pw</value>\n</property>"}, {"settings.xml", "<server><password>hunter2pw</password></server>"}, {"x.xml", "<ns:Password>hunter2pw</ns:Password>"}, {"x.xml", "<credential name=\"password\" value=\"hunter2pw\"/>"}, {"x.xml", "<secret name=\"db.password\" value=\"hunter2pw\"/>"}, {"x.tpl", "{{ x DB_PASSWORD=S3cr3tPw9"}, {"x.xml", "<password encrypted=\"false\">hunter2pw</password>"}, {"x.xml", "<password><![CDATA[hunter2pw]]></password>"}, {"x.plist", "<key>password</key>\n<string>hunter2pw</string>"}, {"web.xml", "<context-param><param-name>db.password</param-name><param-value>hunter2pw</param-value></context-param>"},
		{"wp-config.php", "define('DB_PASSWORD', 'hunter2pw');"}, {"wp-config.php", "define( \"DB_PASSWORD\", \"hunter2pw\" );"}, {"c.php", "$cfg['password'] = 'hunter2pw';"}, {"c.php", "return ['password' => 'hunter2pw'];"}, {"c.php", "$db_password = \"hunter2pw\";"}, {"settings.php", "  'password' => \"hunter2pw\",\n"},
		{"config", "users:\n- name: a\n  user:\n    client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFcEFJQkFBS0NBUUVBdDFYc2lJ\n"}, {"config", "users:\n- name: a\n  user:\n    token: hunter2pw0123\n"}, {"config", "users:\n- name: a\n  user: {username: a, password: hunter2pw}\n"},
		{".pgpass", "db:5432:app:app:hunter2pw\n"}, {"pgpass", "*:*:*:app:hunter2pw\n"}, {".npmrc", "//r.example/:_authToken=hunter2pw\n"}, {".npmrc", "_auth=dXNlcjpodW50ZXIycHc=\n"}, {".npmrc", "//r.example/:_password=aHVudGVyMnB3\n"}, {".pypirc", "[pypi]\nusername = a\npassword = hunter2pw\n"}, {"pip.conf", "[global]\nindex-url = https://a:hunter2pw@pypi.example/simple\n"}, {".git-credentials", "https://a:hunter2pw@git.example\n"},
		{".dockerconfigjson", `{"auths":{"r.example":{"username":"a","password":"hunter2pw"}}}`}, {"config.json", `{"auths":{"r.example":{"auth":"dXNlcjpodW50ZXIycHc="}}}`}, {"my.cnf", "[client]\npassword=hunter2pw\n"}, {"odbc.ini", "[x]\nUID=a\nPWD=hunter2pw\n"}, {"app.toml", "[db]\npassword = \"hunter2pw\"\n"}, {"x.hcl", "secret_key = \"hunter2pw\"\n"}, {"x.tfvars", "db_password = \"hunter2pw\"\n"},
		{"pod.yaml", "args: [--password=hunter2pw]"}, {"pod.yaml", "env:\n- name: DB_PASSWORD\n  value: hunter2pw\n"}, {"task.json", `{"environment":[{"name":"DB_PASSWORD","value":"hunter2pw"}]}`}, {"task.json", `[{"value":"hunter2pw","name":"DB_PASSWORD"}]`}, {"compose.yaml", "environment:\n- DB_PASSWORD=hunter2pw\n"}, {"x.json", `{"key":"db.password","value":"hunter2pw"}`},
		{"logstash.conf", "output { elasticsearch { user => \"a\" password => \"hunter2pw\" } }"}, {"nginx.conf", "proxy_set_header Authorization \"Basic dXNlcjpodW50ZXIycHc=\";"}, {"nginx.conf", "location / {\n  proxy_set_header X-Api-Key \"hunter2pw0\";\n}\n"}, {"squid.conf", "cache_peer p parent 3128 0 login=a:hunter2pw\n"}, {"ipsec.secrets", ": PSK \"hunter2pw\"\n"}, {"sasl_passwd", "[smtp.example]:587 a:hunter2pw\n"}, {"ntp.keys", "1 MD5 hunter2pw\n"},
		{"server.xml", "<Connector keystoreFile=\"/ks\" keystorePass=\"hunter2pw\"/>"}, {"sssd.conf", "[domain/x]\nldap_default_authtok = hunter2pw\n"}, {"alertmanager.yml", "pagerduty_configs:\n- routing_key: 0ef648161bf08961ac07fc3fe49d9a8e\n"}, {"vault.json", `{"secret_id": "` + guid + `"}`}, {"salts.php", "define('NONCE_SALT', '" + letters(30) + digits(20) + "');"},
		{"init.ps1", "$p = ConvertTo-SecureString \"hunter2pw\" -AsPlainText -Force\n"}, {"init.ps1", "ConvertTo-SecureString -String 'hunter2pw' -AsPlainText -Force"}, {"init.ps1", "ConvertTo-SecureString -AsPlainText 'hunter2pw' -Force"},
		{"jaas.conf", "Server {\n  org.apache.zookeeper.server.auth.DigestLoginModule required\n  user_admin=\"hunter2pw\";\n};\n"}, {"consul.hcl", "encrypt = \"2fl+Ktvkfl+Fuz4Qp/A75G2RTiWVA/ZoKZvp6fiiM10=\"\n"}, {"consul.json", `{"encrypt": "2fl+Ktvkfl+Fuz4Qp/A75A=="}`}, {"consul.hcl", "acl {\n  tokens {\n    agent = \"" + guid + "\"\n  }\n}\n"}, {"consul.json", `{"acl": {"tokens": {"default": "` + guid + `"}}}`},
		{"jwk.json", `{"kty":"EC","crv":"P-256","x":"a","d":"` + letters(43) + `"}`}, {"jwk.json", `{"kty": "oct", "k": "` + letters(43) + `"}`},
		{"snmpd.conf", "createUser mon SHA \"hunter2pw\" AES\n"}, {"snmpd.conf", "rocommunity hunter2pw 10.0.0.0/8\n"}, {"users.properties", "admin=hunter2pw,admin\nguest=hunter2pw\n"}, {"realm.properties", "admin: hunter2pw,admin\n"}, {"jmxremote.password", "monitorRole hunter2pw\n"}, {"valkey.conf", "user worker on ~queue:* +@all >hunter2pw\n"},
		{"nginx.conf", "location /v1 { proxy_set_header X-Api-Key hunter2pw0; proxy_pass https://up; }"}, {"forward.conf", "<security>\n  self_hostname a\n  shared_key 0a1b2c3d4e5f60718293\n</security>\n"}, {"grafana.ini", "password = \"\"\"hunter2#pw;\"\"\"\n"}, {"app.ini", "PASSWD = `hunter2=pw`\n"}, {"c.js", "const password = `hunter2pw`\n"}, {"README.md", "Use user `admin`, password: `hunter2pw`.\n"},
		{"realm.json", `{"credentials": [{"type": "password", "value": "hunter2pw", "temporary": false}]}`}, {"ra.xml", "<config-property>\n<config-property-name>Password</config-property-name>\n<config-property-value>hunter2pw</config-property-value>\n</config-property>"}, {"web.xml", "<env-entry-name>db.password</env-entry-name><env-entry-value>hunter2pw</env-entry-value>"},
		{"rndc.key", "key \"rndc-key\" {\n  algorithm hmac-md5;\n  secret \"aHVudGVyMnB3\";\n};\n"}, {"settings.py", "PASSWORD = 'hunter2pw'\n"}, {"settings.py", "    'PASSWORD': 'hunter2pw',\n"}, {"c.js", "  password: 'hunter2pw',\n"}, {"c.rb", "ENV['DB_PASSWORD'] = 'hunter2pw'\n"}, {"c.rb", ":password => 'hunter2pw'\n"}, {"x.ps1", "$password = 'hunter2pw'\n"}, {"init.sql", "CREATE ROLE a LOGIN PASSWORD 'hunter2pw';"}, {"init.sql", "CREATE USER a IDENTIFIED WITH mysql_native_password BY 'hunter2pw';"}, {"slapd.conf", "rootpw hunter2pw1\n"}, {"vsftpd.conf", "ftp_password=hunter2pw\n"},
		{"ssh_key", pemKey}, {"run.sh", "#!/bin/sh\nmysqldump -h db \\\n  -uroot -phunter2pw x\n"}, {"run.sh", "PGPASSWORD=\"hunter2pw\" psql\n"}, {"jaas.conf", "KafkaClient { x required username=\"a\" password=\"hunter2pw\"; };"}, {"alertmanager.yml", "receivers:\n- slack_configs:\n  - api_url: https://hooks.slack.com/services/" + "T000/B000/" + letters(24) + "\n"},
	} {
		if credentials.Text(row[0], row[1]) == nil {
			t.Errorf("%s: %q: nothing found", row[0], row[1])
		}
	}
	for _, row := range [][2]string{
		{"messages_en.properties", "login.password=Password\nlogin.token=Token\n"}, {"en.json", `{"password": "Password", "forgot_password": "Forgot password?"}`}, {"de.json", `{"password": "Passwort", "token": "Zugang"}`}, {"messages.properties", "password=Password\nsecret=Geheimnis\n"}, {"locale-fr.json", `{"password":"Mot","apiKey":"Clef"}`}, {"i18n.yaml", "password: Password\ntoken: Token\n"}, {"strings.xml", "<string name=\"password\">Password</string>"}, {"app.properties", "label.password=Password:\n"},
		{"fluent.conf", "<match **>\n  password \"#{ENV['ES_PASSWORD']}\"\n</match>\n"}, {"fluent.conf", "password ${ES_PASSWORD}\n"}, {".netrc", "machine x login a password ${P}\n"}, {"haproxy.cfg", "user a password $5$abcdefghijklmnop\n"}, {"redis.conf", "# requirepass foobared\n"}, {"users.acl", "user a on #0ef648161bf08961ac07fc3fe49d9a8e0ef648161bf08961ac07fc3fe49d9a8e ~* +@all\nuser default on nopass ~* +@all\n"}, {"redis.conf", "aclfile /etc/users.acl\n"},
		{"x.xml", "<property name=\"hibernate.connection.password\">${db.password}</property>"}, {"x.xml", "<property><name>hadoop.security.credential.provider.path</name><value>jceks://file/x</value></property>"}, {"x.xml", "<property><name>yarn.token.interval</name><value>3600</value></property>"}, {"x.xml", "<!-- <password>hunter2pw</password> -->"}, {"wp-config.php", "define('DB_PASSWORD', getenv('DB_PASSWORD'));"}, {"c.php", "$password = getenv('X');"}, {"c.php", "$password = $_ENV['X'];"},
		{"config", "users:\n- name: a\n  user:\n    client-certificate-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUI=\n    client-key: /var/lib/k.pem\n    tokenFile: /t\n"}, {"config", "certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUI=\n"}, {".npmrc", "//r.example/:_authToken=${NPM_TOKEN}\n"}, {"README.md", "The password is in Vault.\npassword required\n"}, {"x.md", "token expired\n"}, {"kustomization.yaml", "files: [password=secrets/password.enc]\n"}, {"k.yaml", "files:\n- token=creds/token.gpg\n"},
		{"pod.yaml", "env:\n- name: DB_PASSWORD\n  valueFrom: {secretKeyRef: {name: db, key: password}}\n- name: X\n  value: y\n"}, {"values.yaml", "auth:\n  existingSecret: db\n  secretKeys:\n    adminPasswordKey: postgres-password\n    userPasswordKey: password\n"}, {"es.yaml", "data:\n- secretKey: password\n  remoteRef: {key: db, property: password}\n"}, {"sshd_config", "PasswordAuthentication yes\nPermitRootLogin no\n"}, {"pam.conf", "password required pam_unix.so\npassword    sufficient\n"}, {"nsswitch.conf", "passwd: files\nshadow: files\n"},
		{"nginx.conf", "limit_req_zone $token zone=x:1m;\nproxy_set_header Authorization $http_authorization;\nproxy_set_header X-Api-Key $http_x_api_key;\n"}, {"x.go", "token := lexer.Next()\nkey := \"a\"\n"}, {"x.tf", "password = var.db_password\ntoken = data.x.y.token\n"}, {"openapi.yaml", "password:\n  type: string\n  format: password\n"}, {"x.proto", "string password = 1;\n"}, {"p.yaml", "password: \"{{ vault_password }}\"\n"}, {"grok", "%{WORD:token} %{DATA:password}\n"},
		{"ca.pem", "-----BEGIN CERTIFICATE-----\nMIIBeTCCAR6gAwIBAgIBATAKBggqhkjOPQQDAjAXMRUwEw\n-----END CERTIFICATE-----\n"}, {"server.xml", "<Connector keystorePass=\"${env.KEYSTORE_PASS}\"/>"}, {"sssd.conf", "ldap_default_authtok_type = password\n"}, {"rabbit.yml", "routing_key: orders.created.v1\n"}, {"ids.json", `{"secret_id": "shop/prod/db1", "user_id": "` + guid + `"}`}, {"init.ps1", "ConvertTo-SecureString \"$env:PW\" -AsPlainText -Force\nConvertTo-SecureString $p\n"}, {"users.conf", "user_admin=\"hunter2pw\"\n"}, {"jaas.conf", "x.DigestLoginModule required\n  user_admin=\"${ADMIN}\";\n"}, {"mail.yml", "encrypt: required\nencrypt = true\n"}, {"consul.hcl", "tokens {\n  agent = \"${AGENT}\"\n}\n"}, {"models.json", `{"tokens": {"max": 4096, "id": "` + guid + `"}}`},
		{"jwks.json", `{"keys":[{"kty":"EC","crv":"P-256","x":"` + letters(43) + `","y":"` + letters(43) + `","kid":"d"}]}`}, {"shape.json", `{"d": "` + letters(50) + `"}`},
		{"snmpd.conf", "createUser ${USER} SHA ${PASS}\nrocommunity ${COMMUNITY}\nsysLocation a\n"}, {"users.properties", "admin=0ef648161bf08961ac07fc3fe49d9a8e\nroles=${ROLES}\n# a=b\n"}, {"application.properties", "admin=hunter2pw,admin\n"}, {"realm.properties", "admin: ${ADMIN},admin\n"}, {"jmxremote.access", "monitorRole readonly\n"},
		{"nginx.conf", "location /v1 { proxy_set_header X-Api-Key $http_x_api_key; proxy_set_header Authorization $auth; proxy_pass https://up; }"}, {"forward.conf", "<security>\n  shared_key ${SHARED_KEY}\n  self_hostname shared_key_host\n</security>\n"}, {"grafana.ini", "password = \"\"\"$__file{/run/x}\"\"\"\n"}, {"run.sh", "PASSWORD=`pwgen-32`\necho token: `cat /run/t1`\n"}, {"README.md", "- token: `string`\n- `password`: your password\n"}, {"x.go", "type T struct {\n\tPassword string `yaml:\"password1\"`\n}\n"},
		{"form.json", `[{"type": "password", "name": "pw", "label": "Your password"}, {"type": "text", "value": "hunter2pw"}]`}, {"ra.xml", "<config-property><config-property-name>Password</config-property-name><config-property-value>${PASSWORD}</config-property-value></config-property>"},
		{"hash.yml", "salt: 0ef648161bf08961ac07fc3fe49d9a8e\n"}, {"gl.json", `{"renderPass": "forward2", "highPass": "f1lter"}`},
		{"known_hosts", "git.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1b2s3c4d5e6f7g8h9i0j1k2l3m4n5o6p7q8r9s\n"},
	} {
		if got := credentials.Text(row[0], row[1]); got != nil {
			t.Errorf("%s: %q: found %+v", row[0], row[1], got)
		}
	}
}

func TestPublicAndReferences(t *testing.T) {
	key := make([]byte, 60)
	copy(key, "\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20")
	for i := 19; i < len(key); i++ {
		key[i] = byte(i*37 + 128)
	}
	ssh := "ssh-ed25519 " + base64.StdEncoding.EncodeToString(key)
	numbers := base64.StdEncoding.EncodeToString(append([]byte{0x30, 0x82, 0x01, 0x08, 0x02, 0x82, 0x01, 0x01, 0x00}, key[20:]...))
	pgp := base64.StdEncoding.EncodeToString(append([]byte{0x99, 0x01, 0x0d}, key[19:]...))
	block := func(label, body string) string {
		return "-----BEGIN " + label + "-----\n" + body + "\n-----END " + label + "-----\n"
	}
	sequence := "MIIBeTCCAR6gAwIBAgIBATAKBggqhkjOPQQDAjAXMRUwEw=="
	for _, text := range []string{
		block("CERTIFICATE", sequence), block("PUBLIC KEY", sequence), block("CERTIFICATE REQUEST", sequence), block("NEW CERTIFICATE REQUEST", sequence), block("X509 CRL", sequence), block("TRUSTED CERTIFICATE", sequence),
		block("DH PARAMETERS", numbers), block("X9.42 DH PARAMETERS", numbers), block("RSA PUBLIC KEY", numbers), block("EC PARAMETERS", "BggqhkjOPQMBBw=="), block("CERTIFICATE", sequence) + block("DH PARAMETERS", numbers),
		block("PGP PUBLIC KEY BLOCK", "\n"+pgp+"\n=abcd"), ssh, ssh + " deploy@ci\n", "# a comment\n" + ssh + " a\n" + ssh + " b", "git.example,10.0.0.1 " + ssh, "[git.example]:22 " + ssh, "@cert-authority *.example " + ssh, `from="10.0.0.1" ` + ssh, "no-pty " + ssh,
	} {
		if !credentials.Public(text) {
			t.Errorf("%q is not public", text)
		}
	}
	private := base64.StdEncoding.EncodeToString(append([]byte{0x30, 0x82, 0x01, 0x08, 0x02, 0x01, 0x00, 0x02, 0x82}, key[20:]...))
	for _, text := range []string{
		"", "hunter2", pemKey, block("DH PARAMETERS", private), block("RSA PUBLIC KEY", private), block("CERTIFICATE", sequence) + pemKey, block("CERTIFICATE", sequence) + "hunter2", block("CERTIFICATE", base64.StdEncoding.EncodeToString([]byte("only-an-example-of-a-text"))),
		block("DH PARAMETERS", base64.StdEncoding.EncodeToString([]byte("0\x82only-an-example-of-a-text-that-hides"))), "ssh-ed25519 " + base64.StdEncoding.EncodeToString([]byte("\x00\x00\x00\x0bssh-ed25519only-an-example-of-a-text")), "ssh-rsa hunter2hunter2hunter2hunter2hunter2", ssh + "\nhunter2", "# password=hunter2\n" + ssh,
		block("PGP PUBLIC KEY BLOCK", "\n"+base64.StdEncoding.EncodeToString([]byte("only-an-example-of-a-text-that-hides"))), block("PGP PRIVATE KEY BLOCK", "\n"+pgp), strings.Replace(ssh, "ssh-ed25519 ", "ssh-rsa ", 1),
	} {
		if credentials.Public(text) {
			t.Errorf("%q is public", text)
		}
	}
	for _, text := range []string{
		"op://kubernetes/db/password", "op://My Vault/db/section/field", "${DB_PASSWORD}", "$(DB_PASSWORD)", "${DB_PASSWORD:?}", "<path:secret/data/db#password>", "<path:secret/data/db#password | base64encode>", "<db-password>", "vault:secret/data/db#password", "vault:kv/db#password#1", ">>vault:secret/data/x#y",
		"ref+vault://secret/db#/password", "ref+awssecrets://db/password", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf", "arn:aws:ssm:eu-west-1:123456789012:parameter/db", "arn:aws-cn:kms:cn-north-1:123456789012:key/x", "projects/p/secrets/s/versions/latest", "gcp:secretmanager:projects/p/secrets/s", "sm://p/s", "azurekeyvault://kv/db",
		"db-password@azurekeyvault", "azurekeyvault@db", "https://kv.vault.azure.net/secrets/db", "@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/db)", "{{ .Values.password }}", "{{ index .Values \"password\" }}", "{{resolve:secretsmanager:db}}", "%DB_PASSWORD%", "@@DB_PASSWORD@@", "postgres://app:${DB_PASSWORD}@db:5432/app?sslmode=require", "https://$(USER):$(PASSWORD)@git.example/x", "postgres://<path:a/b#c>:<path:a/b#d>@db/app",
		"aws-sm:db/password", "secretsmanager:db:password", " ${X}\n",
	} {
		if !credentials.Reference(text) {
			t.Errorf("%q is no reference", text)
		}
	}
	for _, text := range []string{
		"", "hunter2", "op://hunter2", "op:hunter2", "${X:-hunter2}", "${X}hunter2", "hunter2${X}", "vault:hunter2", "vault:v1:hunter2", "<path:x>hunter2", "arn:hunter2", "ref+hunter2", "{{ \"hunter2\" }}", "{{ print \"hunter2\" }}", "{{ `hunter2` }}", "$hunter2", "postgres://app:hunter2@db/app", "postgres://${U}:hunter2@db/app", "projects/hunter2", "https://hunter2.example", "${X}\nhunter2", "sm:hunter2", "%hunter2%",
	} {
		if credentials.Reference(text) {
			t.Errorf("%q is a reference", text)
		}
	}
}
