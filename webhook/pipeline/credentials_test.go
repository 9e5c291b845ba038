package pipeline_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"taffrail.dev/webhook/decision"
)

// places lists where people put credentials. Each returns an object that holds the value, and the policy that
// must find it.
var places = map[string]struct {
	policy string
	object func(value string) map[string]any
}{
	"env": {"env-credentials", func(value string) map[string]any {
		return deployment(container(env("DB_PASSWORD", value)))
	}},
	"env that holds a URL": {"env-credentials", func(value string) map[string]any {
		return deployment(container(env("DATABASE", "postgres://shop:"+value+"@db/shop")))
	}},
	"env that holds options": {"env-credentials", func(value string) map[string]any {
		return deployment(container(env("JAVA_OPTS", "-Xmx1g -Ddb.password='"+value+"' -jar app.jar")))
	}},
	"env that holds JSON": {"env-credentials", func(value string) map[string]any {
		return deployment(container(env("CONFIG", `{"user":"shop","apiKey":"`+value+`"}`)))
	}},
	"a flag": {"env-credentials", func(value string) map[string]any {
		return pod(container(words("args", "--user=shop", "--password='"+value+"'")))
	}},
	"the word after a flag": {"env-credentials", func(value string) map[string]any {
		return pod(container(words("args", "--verbose", "--api-key", value, "--port", "80")))
	}},
	"the word after a flag of the command": {"env-credentials", func(value string) map[string]any {
		return pod(container(words("command", "server", "-token", value)))
	}},
	"a script": {"env-credentials", func(value string) map[string]any {
		return pod(container(words("command", "/bin/sh", "-c", "export DB_PASSWORD='"+value+"'\nexec server")))
	}},
	"a word for mysql": {"env-credentials", func(value string) map[string]any {
		return pod(container(words("args", "mysql", "-uroot", "-p"+value)))
	}},
	"a word for mysql before another": {"env-credentials", func(value string) map[string]any {
		return pod(container(words("args", "mysql", "-p"+value, "shop")))
	}},
	"a word for curl": {"env-credentials", func(value string) map[string]any {
		return pod(container(words("args", "curl", "-u", "shop:"+value, "https://example.com")))
	}},
	"a header": {"env-credentials", func(value string) map[string]any {
		return pod(container(words("args", "curl", "-H", "Authorization: Bearer "+value)))
	}},
	"a ConfigMap's key": {"configmap-credentials", func(value string) map[string]any {
		return object("ConfigMap", "data", "db-password", value)
	}},
	"a properties file": {"configmap-credentials", func(value string) map[string]any {
		return object("ConfigMap", "data", "app.properties", "db.user=shop\ndb.password='"+value+"'\n")
	}},
	"a YAML file": {"configmap-credentials", func(value string) map[string]any {
		return object("ConfigMap", "data", "app.yaml", "db:\n  user: shop\n  password: \""+value+"\"\n")
	}},
	"a line of several values": {"configmap-credentials", func(value string) map[string]any {
		return object("ConfigMap", "data", "dsn", "host=db user=shop password='"+value+"' dbname=shop")
	}},
	"an XML file": {"configmap-credentials", func(value string) map[string]any {
		return object("ConfigMap", "data", "settings.xml", "<server><password>"+value+"</password></server>")
	}},
	"binaryData": {"configmap-credentials", func(value string) map[string]any {
		return object("ConfigMap", "binaryData", "password", base64.StdEncoding.EncodeToString([]byte(value)))
	}},
	"a file in binaryData": {"configmap-credentials", func(value string) map[string]any {
		text := "{\n  \"password\": \"" + value + "\"\n}\n"
		return object("ConfigMap", "binaryData", "app.json", base64.StdEncoding.EncodeToString([]byte(text)))
	}},
	"a Secret's data": {"plaintext-secret", func(value string) map[string]any {
		return object("Secret", "data", "db-password", base64.StdEncoding.EncodeToString([]byte(value)))
	}},
	"a Secret's stringData": {"plaintext-secret", func(value string) map[string]any {
		return object("Secret", "stringData", "db-password", value)
	}},
	"last-applied-configuration": {"plaintext-secret", func(value string) map[string]any {
		secret := object("Secret", "data", "empty", "")
		secret["metadata"].(map[string]any)["annotations"] = map[string]any{
			"kubectl.kubernetes.io/last-applied-configuration": `{"stringData":{"db-password":"` + value + `"}}`,
		}
		return secret
	}},
}

func env(name, value string) map[string]any {
	return map[string]any{"env": []any{map[string]any{"name": name, "value": value}}}
}

func words(field string, all ...string) map[string]any {
	list := make([]any, 0, len(all))
	for _, word := range all {
		list = append(list, word)
	}
	return map[string]any{field: list}
}

func object(kind, field, key, value string) map[string]any {
	return map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": "shop"}, field: map[string]any{key: value}}
}

// A value may look like another name and value. No part of it may be printed, not even as that name.
func TestFindingsTellNothingOfACredential(t *testing.T) {
	snapshot := build(t)
	random := rand.New(rand.NewPCG(3, 4))
	for name, place := range places {
		t.Run(name, func(t *testing.T) {
			for _, middle := range []string{"", "token", "-token=", "secret", ".key=", "_password_", "password=", "+!"} {
				first, last := canary(random), canary(random)
				d := decide(t, snapshot, manifest(t, place.object(first+middle+last)), known(nil))
				if !slices.Contains(policiesIn(d), place.policy) || len(d.Errors) > 0 {
					t.Errorf("with %q inside, %s does not find it: %v, %v", middle, place.policy, policiesIn(d), d.Errors)
				}
				for _, finding := range d.Findings {
					told := strings.ToLower(fmt.Sprintf("%+v", finding))
					for _, part := range append(encodings(first), encodings(last)...) {
						if strings.Contains(told, strings.ToLower(part)) {
							t.Errorf("with %q inside, %s reveals it:\n%s", middle, finding.Policy, told)
						}
					}
				}
			}
		})
	}
}

// canary returns a text that cannot occur by chance.
func canary(random *rand.Rand) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	text := []byte{letters[random.IntN(52)]}
	for len(text) < 18 {
		text = append(text, letters[random.IntN(len(letters))])
	}
	return string(text)
}

// encodings returns a text itself, and what its base64 forms have in common at any offset.
func encodings(text string) []string {
	all := []string{text}
	for before := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", before) + text))
		all = append(all, encoded[4:len(encoded)-4])
	}
	return all
}

// The whole library, in its default modes, admits references to credentials and settings that only name them.
func TestReferencesToCredentialsAreNoCredentials(t *testing.T) {
	snapshot := build(t)
	for _, object := range []map[string]any{
		deployment(container(env("DB_PASSWORD", "$(OTHER_PASSWORD)"))),
		deployment(container(env("PASSWORD_MIN_LENGTH", "8"))),
		deployment(container(words("args", "--password=$(DB_PASSWORD)", "--token-file", "/run/secrets/token"))),
		object("ConfigMap", "data", "prometheus.yml", "basic_auth: {username: shop, password_file: /etc/password}"),
		object("ConfigMap", "data", "ca.crt", "-----BEGIN CERTIFICATE-----\nZXhhbXBsZQ==\n-----END CERTIFICATE-----\n"),
	} {
		d := decide(t, snapshot, manifest(t, object), known(nil))
		if d.Verdict != decision.VerdictAllow || len(d.Findings) > 0 {
			t.Errorf("%v: got %+v", object, d)
		}
	}
}
