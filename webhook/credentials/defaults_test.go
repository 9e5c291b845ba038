package credentials_test

import (
	"slices"
	"testing"

	"taffrail.dev/webhook/credentials"
)

// A default may not be used, so it only warns.
func TestDefaults(t *testing.T) {
	for _, row := range [][2]string{
		{"", "DB_PASSWORD=${DB_PASSWORD:-hunter2}"},
		{"", "export DB_PASSWORD=\"${DB_PASSWORD:=hunter2}\""},
		{"", ": ${DB_PASSWORD:=hunter2}"},
		{"", "DB_PASSWORD=${DB_PASSWORD-hunter2}"},
		{"", "DB_PASSWORD=${DB_PASSWORD:-'hunter2'}"},
		{"", "DB_PASSWORD=\"${1:-hunter2}\""},
		{"", "mysql -p\"${DB_PASSWORD:-hunter2}\" app"},
		{"compose.yaml", "environment:\n  DB_PASSWORD: ${PG_LOGIN:-hunter2}\n"},
		{"compose.yaml", "environment:\n- DB_PASSWORD=${DB_PASSWORD:-password}\n"},
		{"", "DB_PASSWORD=${DB_PASSWORD:-hunter$$2}"},
		{"", "DB_PASSWORD=${DB_PASSWORD:-${PG_LOGIN:-hunter2}}"},
		{"workflow.yml", "DB_PASSWORD: ${{ secrets.DB_PASSWORD || 'hunter2' }}\n"},
		{"application.yml", "x: ${password:hunter2}\n"},
		{"settings.py", "p = os.environ.get(\"DB_PASSWORD\") or \"hunter2\"\n"},
		{"settings.py", "p = config('DB_PASSWORD', default='hunter2')\n"},
		{"settings.py", "parser.add_argument(\"--db-password\", type=str, default=\"hunter2\")\n"},
		{"database.yml", "p: <%= ENV.fetch(\"DB_PASSWORD\") { \"hunter2\" } %>\n"},
		{"main.tf", "variable \"db_password\" {\n  type    = string\n  default = \"hunter2\"\n}\n"},
		{"Makefile", "DB_PASSWORD ?= hunter2\n"},
		{"otel.yaml", "password: ${env:DB_PASSWORD:-hunter2}\n"},
		{"application.yml", "password: ${DB_PASSWORD:hunter2}\n"},
		{"application.properties", "x=${db.password:hunter2}\n"},
		{"config.js", "const p = process.env.DB_PASSWORD || 'hunter2'\n"},
		{"config.js", "const p = process.env[\"DB_PASSWORD\"] ?? \"hunter2\"\n"},
		{"config.rb", "x = ENV['DB_PASSWORD'] || 'hunter2'\n"},
		{"config.php", "$p = getenv('DB_PASSWORD') ?: 'hunter2';\n"},
		{"config.tpl", "p = {{ .Values.db.password | default \"hunter2\" }}\n"},
		{"config.j2", "p = {{ db_password | default('hunter2') }}\n"},
		{"config.tpl", "p = {{ default \"hunter2\" .Values.db.password }}\n"},
	} {
		found := credentials.Text(row[0], row[1])
		if len(found) != 1 || !found[0].Likely || found[0].Detector != "default" {
			t.Errorf("%q: want one that is likely, got %+v", row[1], found)
		}
	}
	if got, want := whats("${DB_PASSWORD:-hunter2}"), []string{`a default for the credential "db_password"`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, words := range [][]string{{"app", "--password", "${DB_PASSWORD:-hunter2}"}, {"sh", "-c", "app --password ${DB_PASSWORD:-hunter2}"}} {
		if got := credentials.Words(words, nil); len(got) != 1 || !got[0].Likely {
			t.Errorf("%q: got %+v", words, got)
		}
	}
}

func TestDefaultsThatAreNoCredentials(t *testing.T) {
	for _, row := range [][2]string{
		{"", "DB_PASSWORD=${DB_PASSWORD:-}"},
		{"", "DB_PASSWORD=${DB_PASSWORD:-\"\"}"},
		{"", "DB_PASSWORD=${DB_PASSWORD:?not set}"},
		{"", "DB_PASSWORD=${DB_PASSWORD:+set}"},
		{"", "DB_PASSWORD=${DB_PASSWORD:-$OTHER}"},
		{"", "DB_PASSWORD=${DB_PASSWORD:-${OTHER:-}}"},
		{"", "DB_PASSWORD=${DB_PASSWORD:-$(cat /run/secrets/db)}"},
		{"", "DB_PASSWORD=${DB_PASSWORD:-`cat /run/secrets/db`}"},
		{"", "DB_PASSWORD=${DB_PASSWORD:-/run/secrets/db}"},
		{"", "DB_PASSWORD=${DB_PASSWORD:-<password>}"},
		{"", "DB_PASSWORD=${DB_PASSWORD:-your-password}"},
		{"", "DB_PASSWORD=${DB_PASSWORD:-none}"},
		{"", "DB_PASSWORD=${DB_PASSWORD:-op://prod/db/password}"},
		{"", "# DB_PASSWORD=${DB_PASSWORD:-hunter2}"},
		{"", "echo ${TOKEN:0:8} ${TOKEN:4}"},
		{"", "ALLOW_EMPTY_PASSWORD=${ALLOW_EMPTY_PASSWORD:-no}"},
		{"", "PASSWORD_FILE=${PASSWORD_FILE:-db.txt}"},
		{"", "HOST=${HOST:-db.example}"},
		{"Makefile", "DB_PASSWORD ?= $(shell cat /run/db)\nHOST ?= db1\n"},
		{"main.tf", "variable \"db_password\" {\n  type = string\n}\nvariable \"host\" {\n  default = \"db1\"\n}\n"},
		{"settings.py", "p = os.environ.get(\"DB_PASSWORD\") or None\nq = config('DB_PASSWORD', default='')\n"},
		{"database.yml", "p: <%= ENV.fetch(\"DB_PASSWORD\") { ENV[\"PW\"] } %>\n"},
		{"strimzi.properties", "database.password=${secrets:kafka/db:password}\n"},
		{"connect.properties", "database.password=${file:/opt/db.properties:password}\n"},
		{"application.yml", "password: ${secret:db/password}\n"},
		{"application.yml", "password: ${DB_PASSWORD:}\n"},
		{"config.js", "const p = process.env.DB_PASSWORD || ''\nconst h = process.env.HOST || 'db'\n"},
		{"run.sh", "test -n \"$DB_PASSWORD\" || 'usage'\n"},
		{"config.tpl", "p = {{ .Values.db.password | default .Values.other }}\n"},
	} {
		if got := credentials.Text(row[0], row[1]); len(got) > 0 {
			t.Errorf("%q: got %+v", row[1], got)
		}
	}
}
