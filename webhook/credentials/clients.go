package credentials

import "strings"

// client describes how programs take credentials as arguments.
type client struct {
	// programs lists the program's name and those of programs with the same arguments.
	programs string
	// what follows "a password for" in a description. It defaults to the program's name.
	what string
	// sub is a subcommand that must precede the flags, or "".
	sub string
	// flags lists the flags that take a credential: "-p" takes the next word, or a value after =; "-p*" the
	// rest of the word; "-p+" either. A bar is followed by the separator between user and password.
	flags string
	// after lists the words after which an argument without a flag is the credential. nth is its index.
	after string
	nth   int
	// replaces marks a program whose arguments replace one text with another.
	replaces bool
}

// clients lists the known programs. Flags that name a credential, such as --password, need no row.
var clients = []client{
	{programs: "curl", flags: "-u+|: -su|: -fsSu|: -sSu|: -fsu|: -sSLu|: --user|: -U+|: --proxy-user|: -E+|: --pass"},
	{programs: "http https xh xhs", what: "HTTPie", flags: "-a+|: --auth|:"},
	{programs: "hey", flags: "-a|:"},
	{programs: "ab", flags: "-A+|: -P+|:"},
	{programs: "wget", flags: "--password --http-password --ftp-password --proxy-password"},
	{programs: "mysql mysqldump mysqladmin mysqlimport mysqlcheck mysqlshow mysqlsh mysqlslap mysqlpump mysqlbinlog mysql_upgrade", what: "mysql", flags: "-p*"},
	{programs: "mariadb mariadb-dump mariadb-admin mariadb-import mariadb-check mariadb-show mariabackup mariadb-backup", what: "mariadb", flags: "-p*"},
	{programs: "mongo mongosh mongodump mongorestore mongoexport mongoimport mongostat mongotop mongofiles", what: "MongoDB", flags: "-p+"},
	{programs: "redis-cli valkey-cli keydb-cli", what: "redis-cli", flags: "-a --pass -a*"},
	{programs: "redis-cli valkey-cli keydb-cli", what: "redis-cli", after: "config set requirepass", nth: 1},
	{programs: "redis-cli valkey-cli keydb-cli", what: "redis-cli", after: "config set masterauth", nth: 1},
	{programs: "redis-cli valkey-cli keydb-cli", what: "redis-cli", after: "auth", nth: 1},
	{programs: "redis-benchmark valkey-benchmark memtier_benchmark", what: "Redis", flags: "-a --pass --authenticate"},
	{programs: "sed gsed perl", replaces: true},
	{programs: "sshpass", flags: "-p+"},
	{programs: "docker podman nerdctl buildah skopeo crane oras helm img ctr regctl cosign oc cf az argocd flux kubelogin rancher", sub: "login", flags: "-p+ --password"},
	{programs: "oc", sub: "login", flags: "--token -t"},
	{programs: "skopeo", flags: "--creds|: --src-creds|: --dest-creds|:"},
	{programs: "ctr", sub: "pull", flags: "--user|: -u|:"},
	{programs: "ctr", sub: "push", flags: "--user|: -u|:"},
	{programs: "helm", flags: "--password"},
	{programs: "ldapsearch ldapadd ldapmodify ldapdelete ldapmodrdn ldapcompare ldapwhoami ldapexop", what: "LDAP", flags: "-w+"},
	{programs: "ldappasswd", what: "LDAP", flags: "-w+ -s+ -a+"},
	{programs: "sqlcmd bcp osql isql tsql", what: "SQL Server", flags: "-P+"},
	{programs: "sqlplus sqlldr expdp impdp rman", what: "Oracle", after: "", nth: -1},
	{programs: "psql pg_dump pg_restore pgbench createdb", what: "PostgreSQL", flags: "--dbname"},
	{programs: "cqlsh nodetool sstableloader", what: "Cassandra", flags: "-p+ -pw"},
	{programs: "clickhouse-client", what: "ClickHouse", flags: "--password"},
	{programs: "influx", what: "InfluxDB", flags: "-password -t --token"},
	{programs: "cypher-shell", what: "Neo4j", flags: "-p+"},
	{programs: "neo4j-admin", what: "Neo4j", after: "set-initial-password", nth: 1},
	{programs: "couchbase-cli cbq cbbackupmgr", what: "Couchbase", flags: "-p+"},
	{programs: "arangosh arangodump arangorestore", what: "ArangoDB", flags: "--server.password"},
	{programs: "keytool jarsigner", what: "a keystore", flags: "-storepass -keypass -srcstorepass -deststorepass -srckeypass -destkeypass -new"},
	{programs: "openssl", what: "openssl", flags: "-passin|pass: -passout|pass: -pass|pass: -k -K -password|pass:"},
	{programs: "gpg gpg2", what: "gpg", flags: "--passphrase"},
	{programs: "ssh-keygen", what: "a key", flags: "-N -P"},
	{programs: "plink pscp psftp", what: "PuTTY", flags: "-pw"},
	{programs: "htpasswd", what: "htpasswd", after: "-b", nth: 3},
	{programs: "htpasswd", what: "htpasswd", after: "-nb", nth: 2},
	{programs: "mosquitto_passwd", what: "mosquitto", after: "-b", nth: 3},
	{programs: "mosquitto_pub mosquitto_sub mosquitto_rr", what: "mosquitto", flags: "-P+ --pw"},
	{programs: "rabbitmqctl", what: "RabbitMQ", after: "add_user", nth: 2},
	{programs: "rabbitmqctl", what: "RabbitMQ", after: "change_password", nth: 2},
	{programs: "rabbitmqctl", what: "RabbitMQ", after: "authenticate_user", nth: 2},
	{programs: "rabbitmqadmin", what: "RabbitMQ", flags: "-p+ --password"},
	{programs: "mc mcli", what: "MinIO", after: "alias set", nth: 4},
	{programs: "mc mcli", what: "MinIO", after: "config host add", nth: 4},
	{programs: "mc mcli", what: "MinIO", after: "admin user add", nth: 3},
	{programs: "aws", what: "AWS", after: "configure set aws_secret_access_key", nth: 1},
	{programs: "aws", what: "AWS", after: "configure set aws_session_token", nth: 1},
	{programs: "aws", what: "AWS", flags: "--master-user-password --secret-string"},
	{programs: "az", what: "Azure", flags: "--admin-password --account-key --sas-token"},
	{programs: "vault bao", what: "Vault", flags: "-dev-root-token-id"},
	{programs: "vault bao", what: "Vault", after: "login", nth: 1},
	{programs: "vault bao", what: "Vault", after: "operator unseal", nth: 1},
	{programs: "etcdctl", what: "etcd", flags: "--user|:"},
	{programs: "smbclient smbget rpcclient", what: "Samba", flags: "-U+|%"},
	{programs: "lftp", what: "lftp", flags: "-u+|,"},
	{programs: "ipmitool", what: "IPMI", flags: "-P+"},
	{programs: "snmpwalk snmpget snmpset snmpbulkwalk", what: "SNMP", flags: "-A -X"},
	{programs: "zip unzip", what: "an archive", flags: "-P+"},
	{programs: "7z 7za 7zr rar unrar", what: "an archive", flags: "-p*"},
	{programs: "kadmin kadmin.local", what: "Kerberos", flags: "-w+ -pw"},
	{programs: "twine poetry", what: "PyPI", flags: "-p+"},
	{programs: "poetry", what: "PyPI", after: "config http-basic", nth: 3},
	{programs: "nuget dotnet", what: "NuGet", sub: "push", flags: "-k --api-key -ApiKey"},
	{programs: "svn", flags: "--password"},
	{programs: "flyway", flags: "-password"},
	{programs: "kcadm.sh kcreg.sh kcadm", what: "Keycloak", flags: "--password --new-password -p"},
	{programs: "add-user.sh add-user-keycloak.sh", what: "Keycloak", flags: "-p+"},
	{programs: "jboss-cli.sh jboss-cli", what: "JBoss", flags: "--password -p"},
	{programs: "elasticsearch-users", what: "Elasticsearch", flags: "-p+"},
	{programs: "gitlab-runner", what: "GitLab", flags: "-r --registration-token --token -t"},
	{programs: "grafana-cli grafana", what: "Grafana", after: "reset-admin-password", nth: 1},
	{programs: "tailscale", what: "Tailscale", flags: "--authkey --auth-key"},
	{programs: "cloudflared", what: "Cloudflare", flags: "--token"},
	{programs: "ngrok", what: "ngrok", after: "authtoken", nth: 1},
	{programs: "ngrok", what: "ngrok", after: "add-authtoken", nth: 1},
	{programs: "snyk", what: "Snyk", after: "auth", nth: 1},
	{programs: "sonar-scanner", what: "SonarQube", flags: "-Dsonar.login -Dsonar.token -Dsonar.password"},
	{programs: "xfreerdp", what: "a desktop", flags: "/p:*"},
	{programs: "snowsql", what: "Snowflake", flags: "-p+"},
	{programs: "beeline", what: "Hive", flags: "-p"},
	{programs: "impala-shell trino presto", what: "a database", flags: "--password"},
	{programs: "doctl", what: "DigitalOcean", flags: "-t --access-token"},
	{programs: "consul nomad", what: "Consul", flags: "-token"},
	{programs: "proxychains ss-local sslocal ssserver ss-server", what: "Shadowsocks", flags: "-k+"},
	{programs: "restic borg duplicity", what: "a backup", flags: "--password"},
	{programs: "airflow", what: "Airflow", sub: "create", flags: "-p+"},
	{programs: "turnserver", what: "coturn", flags: "-u+|: --user|:"},
	{programs: "nats-server", what: "NATS", flags: "--auth --pass"},
	{programs: "odoo odoo-bin", what: "Odoo", flags: "-w+"},
	{programs: "ncftp ncftpget ncftpput", what: "FTP", flags: "-p+"},
	{programs: "kubeadm", what: "certificates", flags: "--certificate-key"},
	{programs: "useradd usermod", what: "a user", flags: "-p"},
	{programs: "mount mount.cifs", what: "a share", flags: "-o+|password="},
}

// byProgram maps each program to its rows.
var byProgram = func() map[string][]*client {
	all := map[string][]*client{}
	for i := range clients {
		for program := range strings.FieldsSeq(clients[i].programs) {
			all[program] = append(all[program], &clients[i])
		}
	}
	return all
}()

func program(word string) string {
	return strings.TrimSuffix(word[strings.LastIndexAny(word, `/\`)+1:], ".exe")
}
