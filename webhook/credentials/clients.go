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
	// flags lists the flags that take a credential.
	flags []credentialFlag
	// argument describes an argument without a flag that is a credential, if nth is not 0.
	argument argument
	// connectString marks a program that takes user/password@database.
	connectString bool
	// replaces marks a program whose arguments replace one text with another.
	replaces bool
}

// credentialFlag is a flag that takes a credential.
type credentialFlag struct {
	name string
	form flagForm
	// separator precedes the password in the value, or is "" if the value is the password.
	separator string
}

// flagForm is how a flag takes its value. All take one after =, too.
type flagForm int

const (
	// separate is the next word: -p x.
	separate flagForm = iota
	// joined is the rest of the word: -px.
	joined
	// either is one or the other.
	either
)

// argument is the nth argument without a flag behind what identifies the command.
type argument struct {
	nth int
	// after lists words that must precede it, in this order.
	after string
	// shortFlags lists short flags that one word must combine, and otherFlags those that it must not have.
	shortFlags, otherFlags string
}

// clients lists the known programs. Flags that name a credential, such as --password, need no row.
var clients = []client{
	{programs: "curl", flags: []credentialFlag{{"-u", either, ":"}, {"-su", separate, ":"}, {"-fsSu", separate, ":"}, {"-sSu", separate, ":"}, {"-fsu", separate, ":"}, {"-sSLu", separate, ":"}, {"--user", separate, ":"}, {"-U", either, ":"}, {"--proxy-user", separate, ":"}, {"-E", either, ":"}, {"--pass", separate, ""}}},
	{programs: "http https xh xhs", what: "HTTPie", flags: []credentialFlag{{"-a", either, ":"}, {"--auth", separate, ":"}}},
	{programs: "hey", flags: []credentialFlag{{"-a", separate, ":"}}},
	{programs: "ab", flags: []credentialFlag{{"-A", either, ":"}, {"-P", either, ":"}}},
	{programs: "wget", flags: []credentialFlag{{"--password", separate, ""}, {"--http-password", separate, ""}, {"--ftp-password", separate, ""}, {"--proxy-password", separate, ""}}},
	{programs: "mysql mysqldump mysqladmin mysqlimport mysqlcheck mysqlshow mysqlsh mysqlslap mysqlpump mysqlbinlog mysql_upgrade", what: "mysql", flags: []credentialFlag{{"-p", joined, ""}}},
	{programs: "mariadb mariadb-dump mariadb-admin mariadb-import mariadb-check mariadb-show mariabackup mariadb-backup", what: "mariadb", flags: []credentialFlag{{"-p", joined, ""}}},
	{programs: "mongo mongosh mongodump mongorestore mongoexport mongoimport mongostat mongotop mongofiles", what: "MongoDB", flags: []credentialFlag{{"-p", either, ""}}},
	{programs: "redis-cli valkey-cli keydb-cli", what: "redis-cli", flags: []credentialFlag{{"-a", separate, ""}, {"--pass", separate, ""}, {"-a", joined, ""}}},
	{programs: "redis-cli valkey-cli keydb-cli", what: "redis-cli", argument: argument{nth: 1, after: "config set requirepass"}},
	{programs: "redis-cli valkey-cli keydb-cli", what: "redis-cli", argument: argument{nth: 1, after: "config set masterauth"}},
	{programs: "redis-cli valkey-cli keydb-cli", what: "redis-cli", argument: argument{nth: 1, after: "auth"}},
	{programs: "redis-benchmark valkey-benchmark memtier_benchmark", what: "Redis", flags: []credentialFlag{{"-a", separate, ""}, {"--pass", separate, ""}, {"--authenticate", separate, ""}}},
	{programs: "sed gsed perl", replaces: true},
	{programs: "sshpass", flags: []credentialFlag{{"-p", either, ""}}},
	{programs: "docker podman nerdctl buildah skopeo crane oras helm img ctr regctl cosign oc cf az argocd flux kubelogin rancher", sub: "login", flags: []credentialFlag{{"-p", either, ""}, {"--password", separate, ""}}},
	{programs: "oc", sub: "login", flags: []credentialFlag{{"--token", separate, ""}, {"-t", separate, ""}}},
	{programs: "skopeo", flags: []credentialFlag{{"--creds", separate, ":"}, {"--src-creds", separate, ":"}, {"--dest-creds", separate, ":"}}},
	{programs: "ctr", sub: "pull", flags: []credentialFlag{{"--user", separate, ":"}, {"-u", separate, ":"}}},
	{programs: "ctr", sub: "push", flags: []credentialFlag{{"--user", separate, ":"}, {"-u", separate, ":"}}},
	{programs: "helm", flags: []credentialFlag{{"--password", separate, ""}}},
	{programs: "ldapsearch ldapadd ldapmodify ldapdelete ldapmodrdn ldapcompare ldapwhoami ldapexop", what: "LDAP", flags: []credentialFlag{{"-w", either, ""}}},
	{programs: "ldappasswd", what: "LDAP", flags: []credentialFlag{{"-w", either, ""}, {"-s", either, ""}, {"-a", either, ""}}},
	{programs: "sqlcmd bcp osql isql tsql", what: "SQL Server", flags: []credentialFlag{{"-P", either, ""}}},
	{programs: "sqlplus sqlldr expdp impdp rman", what: "Oracle", connectString: true},
	{programs: "psql pg_dump pg_restore pgbench createdb", what: "PostgreSQL", flags: []credentialFlag{{"--dbname", separate, ""}}},
	{programs: "cqlsh nodetool sstableloader", what: "Cassandra", flags: []credentialFlag{{"-p", either, ""}, {"-pw", separate, ""}}},
	{programs: "clickhouse-client", what: "ClickHouse", flags: []credentialFlag{{"--password", separate, ""}}},
	{programs: "influx", what: "InfluxDB", flags: []credentialFlag{{"-password", separate, ""}, {"-t", separate, ""}, {"--token", separate, ""}}},
	{programs: "cypher-shell", what: "Neo4j", flags: []credentialFlag{{"-p", either, ""}}},
	{programs: "neo4j-admin", what: "Neo4j", argument: argument{nth: 1, after: "set-initial-password"}},
	{programs: "couchbase-cli cbq cbbackupmgr", what: "Couchbase", flags: []credentialFlag{{"-p", either, ""}}},
	{programs: "arangosh arangodump arangorestore", what: "ArangoDB", flags: []credentialFlag{{"--server.password", separate, ""}}},
	{programs: "keytool jarsigner", what: "a keystore", flags: []credentialFlag{{"-storepass", separate, ""}, {"-keypass", separate, ""}, {"-srcstorepass", separate, ""}, {"-deststorepass", separate, ""}, {"-srckeypass", separate, ""}, {"-destkeypass", separate, ""}, {"-new", separate, ""}}},
	{programs: "openssl", what: "openssl", flags: []credentialFlag{{"-passin", separate, "pass:"}, {"-passout", separate, "pass:"}, {"-pass", separate, "pass:"}, {"-k", separate, ""}, {"-K", separate, ""}, {"-password", separate, "pass:"}}},
	{programs: "gpg gpg2", what: "gpg", flags: []credentialFlag{{"--passphrase", separate, ""}}},
	{programs: "ssh-keygen", what: "a key", flags: []credentialFlag{{"-N", separate, ""}, {"-P", separate, ""}}},
	{programs: "plink pscp psftp", what: "PuTTY", flags: []credentialFlag{{"-pw", separate, ""}}},
	{programs: "htpasswd", what: "htpasswd", argument: argument{nth: 3, shortFlags: "b", otherFlags: "n"}},
	{programs: "htpasswd", what: "htpasswd", argument: argument{nth: 2, shortFlags: "bn"}},
	{programs: "mosquitto_passwd", what: "mosquitto", argument: argument{nth: 3, shortFlags: "b"}},
	{programs: "mosquitto_pub mosquitto_sub mosquitto_rr", what: "mosquitto", flags: []credentialFlag{{"-P", either, ""}, {"--pw", separate, ""}}},
	{programs: "rabbitmqctl", what: "RabbitMQ", argument: argument{nth: 2, after: "add_user"}},
	{programs: "rabbitmqctl", what: "RabbitMQ", argument: argument{nth: 2, after: "change_password"}},
	{programs: "rabbitmqctl", what: "RabbitMQ", argument: argument{nth: 2, after: "authenticate_user"}},
	{programs: "rabbitmqadmin", what: "RabbitMQ", flags: []credentialFlag{{"-p", either, ""}, {"--password", separate, ""}}},
	{programs: "mc mcli", what: "MinIO", argument: argument{nth: 4, after: "alias set"}},
	{programs: "mc mcli", what: "MinIO", argument: argument{nth: 4, after: "config host add"}},
	{programs: "mc mcli", what: "MinIO", argument: argument{nth: 3, after: "admin user add"}},
	{programs: "aws", what: "AWS", argument: argument{nth: 1, after: "configure set aws_secret_access_key"}},
	{programs: "aws", what: "AWS", argument: argument{nth: 1, after: "configure set aws_session_token"}},
	{programs: "aws", what: "AWS", flags: []credentialFlag{{"--master-user-password", separate, ""}, {"--secret-string", separate, ""}}},
	{programs: "az", what: "Azure", flags: []credentialFlag{{"--admin-password", separate, ""}, {"--account-key", separate, ""}, {"--sas-token", separate, ""}}},
	{programs: "vault bao", what: "Vault", flags: []credentialFlag{{"-dev-root-token-id", separate, ""}}},
	{programs: "vault bao", what: "Vault", argument: argument{nth: 1, after: "login"}},
	{programs: "vault bao", what: "Vault", argument: argument{nth: 1, after: "operator unseal"}},
	{programs: "etcdctl", what: "etcd", flags: []credentialFlag{{"--user", separate, ":"}}},
	{programs: "smbclient smbget rpcclient", what: "Samba", flags: []credentialFlag{{"-U", either, "%"}}},
	{programs: "lftp", what: "lftp", flags: []credentialFlag{{"-u", either, ","}}},
	{programs: "ipmitool", what: "IPMI", flags: []credentialFlag{{"-P", either, ""}}},
	{programs: "snmpwalk snmpget snmpset snmpbulkwalk", what: "SNMP", flags: []credentialFlag{{"-A", separate, ""}, {"-X", separate, ""}}},
	{programs: "zip unzip", what: "an archive", flags: []credentialFlag{{"-P", either, ""}}},
	{programs: "7z 7za 7zr rar unrar", what: "an archive", flags: []credentialFlag{{"-p", joined, ""}}},
	{programs: "kadmin kadmin.local", what: "Kerberos", flags: []credentialFlag{{"-w", either, ""}, {"-pw", separate, ""}}},
	{programs: "twine poetry", what: "PyPI", flags: []credentialFlag{{"-p", either, ""}}},
	{programs: "poetry", what: "PyPI", argument: argument{nth: 3, after: "config http-basic"}},
	{programs: "nuget dotnet", what: "NuGet", sub: "push", flags: []credentialFlag{{"-k", separate, ""}, {"--api-key", separate, ""}, {"-ApiKey", separate, ""}}},
	{programs: "svn", flags: []credentialFlag{{"--password", separate, ""}}},
	{programs: "flyway", flags: []credentialFlag{{"-password", separate, ""}}},
	{programs: "kcadm.sh kcreg.sh kcadm", what: "Keycloak", flags: []credentialFlag{{"--password", separate, ""}, {"--new-password", separate, ""}, {"-p", separate, ""}}},
	{programs: "add-user.sh add-user-keycloak.sh", what: "Keycloak", flags: []credentialFlag{{"-p", either, ""}}},
	{programs: "jboss-cli.sh jboss-cli", what: "JBoss", flags: []credentialFlag{{"--password", separate, ""}, {"-p", separate, ""}}},
	{programs: "elasticsearch-users", what: "Elasticsearch", flags: []credentialFlag{{"-p", either, ""}}},
	{programs: "gitlab-runner", what: "GitLab", flags: []credentialFlag{{"-r", separate, ""}, {"--registration-token", separate, ""}, {"--token", separate, ""}, {"-t", separate, ""}}},
	{programs: "grafana-cli grafana", what: "Grafana", argument: argument{nth: 1, after: "reset-admin-password"}},
	{programs: "tailscale", what: "Tailscale", flags: []credentialFlag{{"--authkey", separate, ""}, {"--auth-key", separate, ""}}},
	{programs: "cloudflared", what: "Cloudflare", flags: []credentialFlag{{"--token", separate, ""}}},
	{programs: "ngrok", what: "ngrok", argument: argument{nth: 1, after: "authtoken"}},
	{programs: "ngrok", what: "ngrok", argument: argument{nth: 1, after: "add-authtoken"}},
	{programs: "snyk", what: "Snyk", argument: argument{nth: 1, after: "auth"}},
	{programs: "sonar-scanner", what: "SonarQube", flags: []credentialFlag{{"-Dsonar.login", separate, ""}, {"-Dsonar.token", separate, ""}, {"-Dsonar.password", separate, ""}}},
	{programs: "xfreerdp", what: "a desktop", flags: []credentialFlag{{"/p:", joined, ""}}},
	{programs: "snowsql", what: "Snowflake", flags: []credentialFlag{{"-p", either, ""}}},
	{programs: "beeline", what: "Hive", flags: []credentialFlag{{"-p", separate, ""}}},
	{programs: "impala-shell trino presto", what: "a database", flags: []credentialFlag{{"--password", separate, ""}}},
	{programs: "doctl", what: "DigitalOcean", flags: []credentialFlag{{"-t", separate, ""}, {"--access-token", separate, ""}}},
	{programs: "consul nomad", what: "Consul", flags: []credentialFlag{{"-token", separate, ""}}},
	{programs: "proxychains ss-local sslocal ssserver ss-server", what: "Shadowsocks", flags: []credentialFlag{{"-k", either, ""}}},
	{programs: "restic borg duplicity", what: "a backup", flags: []credentialFlag{{"--password", separate, ""}}},
	{programs: "airflow", what: "Airflow", sub: "create", flags: []credentialFlag{{"-p", either, ""}}},
	{programs: "turnserver", what: "coturn", flags: []credentialFlag{{"-u", either, ":"}, {"--user", separate, ":"}}},
	{programs: "nats-server", what: "NATS", flags: []credentialFlag{{"--auth", separate, ""}, {"--pass", separate, ""}}},
	{programs: "odoo odoo-bin", what: "Odoo", flags: []credentialFlag{{"-w", either, ""}}},
	{programs: "ncftp ncftpget ncftpput", what: "FTP", flags: []credentialFlag{{"-p", either, ""}}},
	{programs: "kubeadm", what: "certificates", flags: []credentialFlag{{"--certificate-key", separate, ""}}},
	{programs: "useradd usermod", what: "a user", flags: []credentialFlag{{"-p", separate, ""}}},
	{programs: "mount mount.cifs", what: "a share", flags: []credentialFlag{{"-o", either, "password="}}},
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
