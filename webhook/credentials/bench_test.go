package credentials_test

import (
	"strings"
	"testing"

	"taffrail.dev/webhook/credentials"
)

func BenchmarkText(b *testing.B) {
	large := strings.Repeat("a line of a file with a password in it, key: value, --flag x and https://host.example/path\n", 10_000)
	for name, text := range map[string]string{
		"short": "orders-service", "url": "https://host.example:8080/a?b=c@d", "large": large,
		"nouns": strings.Repeat("password:", 100_000), "quotes": strings.Repeat(`password="`, 100_000), "flags": strings.Repeat("--token ", 100_000), "tags": strings.Repeat("<a b='c'>", 100_000), "programs": strings.Repeat("mysql -p ", 100_000),
		"open": strings.Repeat("$(", 200_000), "keys": strings.Repeat(`"apikey": "x", `, 60_000), "pairs": strings.Repeat("name: a_token\nvalue: ", 50_000), "blank": strings.Repeat("password x\n", 100_000),
		"keys in PEM": strings.Repeat("-----BEGIN RSA "+"PRIVATE KEY-----Comment:", 30_000), "addresses": strings.Repeat("postgres://a:b", 70_000), "sections": strings.Repeat("<a b='c'><![CDATA[", 50_000), "defaults": strings.Repeat("${DB_PASSWORD:-", 60_000), "values": strings.Repeat("value: \"", 100_000),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				credentials.Text("x.conf", text)
			}
		})
	}
}
