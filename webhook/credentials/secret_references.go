package credentials

import "strings"

var references = re(`^(?:` + strings.Join([]string{
	`\$\{[A-Za-z_][A-Za-z0-9_.]*(?::[-?])?\}`, `\$\([A-Za-z_][A-Za-z0-9_.-]*\)`, `\$[A-Z_][A-Z0-9_]*`, `%[A-Z_]+%`, `@@?[A-Z_]+@@?`,
	`<(?:path|vault|secret|avp)?:?[A-Za-z0-9/_.#:| -]*>`,
	`\{\{[^{}]*\}\}`, `<%[^%]*%>`, `#\{[A-Za-z_][A-Za-z0-9_.-]*\}`,
	`(?:op|ref\+[a-z0-9]+|secretref\+[a-z0-9]+|vault|bao|sm|ssm|awssm|awsps|gcpsm|gsm|akv|keyvault|azurekeyvault|secretsmanager|berglas|conjur|doppler|infisical|bws|keeper|pass|dashlane|lpass|bw|aws-secretsmanager|gcp-secretmanager|azure-keyvault)://[A-Za-z0-9 _.@-]+(?:/[A-Za-z0-9 _.@?=&%+-]+)+(?:#[A-Za-z0-9/_.-]+)?`,
	`(?:vault|bao):(?:secrets?|kv|[a-z0-9_-]+)/[A-Za-z0-9/_.-]*[A-Za-z0-9]#[A-Za-z0-9_.-]+(?:#[0-9]+)?`,
	`>>(?:vault|bao):[A-Za-z0-9/_.#-]+`,
	`(?:aws:secretsmanager|aws:ssm|aws-sm|aws-ssm|gcp:secretmanager|gcp-sm|azure:keyvault|azurekeyvault|ssm|sm|secretsmanager|awssm|keyvault):(?:/?[A-Za-z0-9_.-]+)(?:[/:#][A-Za-z0-9_.-]+)+`,
	`arn:aws[a-z-]*:(?:secretsmanager|ssm|kms|iam|s3|rds|sns|sqs|acm):[a-z0-9-]*:[0-9]{0,12}:[A-Za-z0-9/_+=.@:-]+`,
	`projects/[a-z0-9-]+/secrets/[A-Za-z0-9_-]+(?:/versions/(?:latest|[0-9]+))?`,
	`[A-Za-z0-9-]+@azurekeyvault(?:\?[A-Za-z0-9/_.-]+)?`, `azurekeyvault@[A-Za-z0-9/_.-]+`, `@Microsoft\.KeyVault\([A-Za-z0-9=:/;., -]+\)`,
	`https://[a-z0-9-]+\.vault\.azure\.net/secrets/[A-Za-z0-9-]+(?:/[0-9a-f]*)?`,
	`\{\{resolve:(?:secretsmanager|ssm|ssm-secure):[^{}]+\}\}`,
	`k8s:[a-z0-9/v-]*:?[A-Za-z]*:?[a-z0-9-]+/[a-z0-9-]+#[A-Za-z0-9._-]+`,
	`(?:secretKeyRef|secretkeyref|secretRef):[A-Za-z0-9._/-]+`,
}, "|") + `)$`)

// withReferences matches a URL whose credentials are only references.
var withReferences = re(`^[a-z][a-z0-9+.-]*://(?:[A-Za-z0-9_.-]*|` + aVariable + `):` + aVariable + `@(?:[A-Za-z0-9_.:,-]|` + aVariable + `)+(?:/(?:[A-Za-z0-9_./-]|` + aVariable + `)*)?(?:\?(?:[A-Za-z0-9_.=&-])*)?$`)

const aVariable = `(?:\$\{[A-Za-z_][A-Za-z0-9_.]*\}|\$\([A-Za-z_][A-Za-z0-9_.-]*\)|\{\{[^{}"']*\}\}|<path:[^<>]*>)`

// quoting matches quotes in a template, which may contain the secret itself.
var quoting = re(`["'\x60]`)

// Reference reports whether a whole text is the address of a secret elsewhere, or a variable or template that
// is filled in later. A text that only begins with one, or that contains a default, does not count.
func Reference(text string) bool {
	text = strings.TrimSpace(text)
	if len(text) > 1024 || strings.Contains(text, "\n") {
		return false
	}
	if strings.HasPrefix(text, "{{") && quoting.MatchString(text) {
		return templated.MatchString(text)
	}
	return references.MatchString(text) || withReferences.MatchString(text)
}

// templated matches a template that fetches a secret by its name.
var templated = re(`^\{\{-?\s*(?:with\s+)?(?:[a-zA-Z_.]*(?:secret|vault|lookup|env|key|param|include|index)[a-zA-Z_.]*)\s[^{}]*\}\}$`)
