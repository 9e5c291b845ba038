package credentials

import (
	"regexp"
	"strings"
)

// Plain reports whether a value is a literal, which would be a credential under a suitable name.
func Plain(name, value string) bool {
	name = nameSuffix(name)
	low := lower(strings.TrimSpace(value))
	return !isHarmless(low) && !namesSecret(lower(name), strings.TrimSpace(value)) && !repeatsName(name, strings.TrimSpace(value))
}

var harmlessWords = set("true", "false", "yes", "no", "on", "off", "y", "n", "null", "nil", "none", "~", "undefined", "enable", "enabled",
	"disable", "disabled", "required", "sufficient", "requisite", "substack", "optional", "include", "omit", "files", "read", "write", "same-origin", "string", "string!", "str",
	"bytes", "bearer", "basic", "jwt", "header", "irsa", "projected", "instance_profile", "aws", "id", "redacted", "[redacted]", "hidden", "masked", "todo", "tbd", "n/a",
	"trace", "debug", "info", "warn", "error", "secretstr", "secretbytes", "securestring", "boolean", "integer", "varchar", "env", "file")

func set(all ...string) map[string]bool {
	m := make(map[string]bool, len(all))
	for _, one := range all {
		m[one] = true
	}
	return m
}

// isHarmless reports whether a value, in lower case, is useless to an attacker: empty, a switch, the name of a
// type, a placeholder, a variable, a template, a path, a URL, encrypted, or the address of a value in a secret
// store. changeme and 12345 are passwords.
func isHarmless(low string) bool {
	if harmlessWords[low] {
		return true
	}
	if isOrdinary(low) {
		return false
	}
	if harmlessValues.MatchString(low) || ciphertext.MatchString(low) {
		return true
	}
	if !opening.MatchString(low) {
		return false
	}
	return !hasLiteralPart(variable.ReplaceAllString(low, ""))
}

// isOrdinary reports whether a value has only words and numbers, none of which an harmless value
// begins or ends with. Most values are like that, and looking at each byte is enough to see it.
func isOrdinary(low string) bool {
	if len(low) < 2 || len(low) > 100 || low[0] == '_' || low[0] == '-' || strings.Trim(low, "x") == "" {
		return false
	}
	for i := range len(low) {
		if c := low[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == ' ' || c == '_' || c == '-') {
			return false
		}
	}
	for _, word := range []string{"your", "replace", "insert", "fill"} {
		if strings.HasPrefix(low, word) {
			return false
		}
	}
	return !strings.Contains(low, "here") && !strings.Contains(low, "placeholder")
}

var (
	opening = regexp.MustCompile(`\$[({]|\{\{|#\{|<%`)
	// The innermost of nested variables are removed, so the remains of the outer ones are beginnings.
	variable  = regexp.MustCompile(`\$\([^()]*\)|\$\{[^{}]*\}|\{\{.*?\}\}|#\{[^{}]*\}|<%.*?%>`)
	separator = regexp.MustCompile(`[\s/:,;._@=?&-]+`)
)

// hasLiteralPart reports whether a literal part of a composed value is more than a word.
func hasLiteralPart(rest string) bool {
	if opening.MatchString(rest) {
		return false
	}
	for _, word := range separator.Split(rest, -1) {
		if len(word) >= 6 && strings.ContainsAny(word, "abcdefghijklmnopqrstuvwxyz") && strings.ContainsAny(word, "0123456789") {
			return true
		}
	}
	return false
}

var ciphertext = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`enc\[aes256_gcm,data:(?:[a-z0-9+/]{100}|[a-z0-9+/]*={0,2},iv:[a-z0-9+/]{43}=,tag:[a-z0-9+/]{22}==)`,
	`enc\[(?:pkcs7|gpg|kms),[a-z0-9+/]{40}`,
	`enc\([a-z0-9+/]{22}`,
	`aqicah[a-z0-9+/]{120}`,
	`ag[a-d][a-z0-9+/]{200}`, // Sealed Secrets, which begin with the length of an RSA-encrypted key
	`(?:vault|bao):v[0-9]+:[a-z0-9+/]{38}`,
	`\{(?:cipher|s?sha[0-9]*|s?md5|crypt|bcrypt|pbkdf2|scrypt|argon2)\}[a-z0-9+/=$.,]{20}`,
}, "|") + `)`)

var harmlessValues = regexp.MustCompile(`^(?:` + strings.Join([]string{
	``,
	`[a-z0-9]`,                                                  // a switch, a keyboard shortcut
	`-+`, `x{3,}`, `:?\*+`, `[:.,;=+_#]{1,3}`, `\S{0,10}\.{3,}`, // masked or omitted
	`[0-9]{1,4}/[0-9]{1,4}`, `#(?:[0-9a-f]{3}|[0-9a-f]{6}|[0-9a-f]{8})`, // a count, a color
	`<[^<>]*>`, `\[[^\[\]]*\]`, `\([^()]*\)`, "`[^`]*`", // a placeholder, a command
	`(?:[a-z]+[_.-])*placeholder(?:[_.-][a-z0-9]{1,12})*`, `__.*__`, `@@[a-z0-9_.-]+@@`,
	`\$(?:[0-9@*#?]?|[a-z_][a-z0-9_.:/-]*)`, `[^\s:]+:\$[a-z_][a-z0-9_]*`, // a variable
	`[a-z_-]*goes[_-]?here`,                       // a placeholder
	`/`, `/[a-z][a-z0-9_.:-]*(?:/[a-z0-9_.:-]*)*`, // a path
	`(?:required|nullable|sometimes|filled|present|string)(?:\|` + rule + `){1,8}`,                                                                                           // validation rules
	`\S+\.(?:[a-z_]*(?:password|token|secret|key|credentials)|pem|crt|cer|der|enc|gpg|age|asc|p12|pfx|jks|pub|txt|json|ya?ml|properties|env|conf|cfg|ini|toml|xml|sh|py|js)`, // a file
}, "|") + `)$|^(?:` + strings.Join([]string{
	`[~^]?[0-9]+\.[0-9]+\.[0-9]+`,    // a version
	`\{[a-z0-9_-]*\}(?:$|[^a-z0-9])`, // a placeholder
	`-----begin (?:pgp message|age encrypted file)-----(?:$|(?:\s|\\[nr])+[a-z0-9])`, // the first line of what is encrypted
	`%[a-z_({%\[]`, `\$__`, `@[a-z_.]+[@(]`, `@\{[a-z0-9_.:/-]+\}$`, // a template
	`secret\[[a-z0-9_.:/-]+\]$`,                                                                                                           // a secret store, in Vector's syntax
	`@(?:/|\./|[a-z0-9_.-]+\.[a-z]{2,5}$|-$)`, `[a-z0-9_.-]+,(?:type|src|source|target|env|mode|uid)=`, `(?:id|type)=[a-z0-9_.-]+(?:,|$)`, // a file, or an option of one
	`\.{3}`, `\.[*+]`, `your[_ -]`, `(?:replace|insert|fill)[_ -](?:me|with|by|this|here|your|in)`, // a placeholder
	`ref\+`, `projects/`, `//`, `[a-z][a-z0-9+.-]*://`, // an address: one with a password is found by that
	`(?:vault|bao):[^\s:]*[/#]`, `arn:aws[a-z-]*:[a-z0-9-]+:`,
	`(?:ssm|sm|op|akv|keyvault|awssm|awsps|gcpsm|gsm|aws-?secrets?(?:manager)?|secrets?manager|secret|secretref|secretkeyref|env|file|ref|kms|berglas|sops|conjur|doppler|infisical|kubernetes|k8s|parameterstore|bws|gcp:secretmanager|azurekeyvault|valuefrom|dynamic|pass|keyring):(?:\S*[/#]|[a-z]+$|[a-z0-9]+(?:[_.:-][a-z0-9]+)+$)`,
	`azurekeyvault@`, `@microsoft\.keyvault\(`, `\{\{resolve:`,
	`(?:\.{1,2}|~)/`, `[a-z]:\\`, // a path
	`(?:os|process|self|this|req|request|config|settings|options|opts|args|params|ctx|event|vars?|local|module|values|secrets|data|user)\.[a-z_]`, // a variable of a program
}, "|") + `)`)

// isPlaceholder reports whether a text is written in place of a value: a harmless value, or the beginning of an
// alias, a tag, a list or a call in some language.
func isPlaceholder(low string) bool {
	return low == "" || strings.IndexByte("*<{([|!`", low[0]) >= 0 || isHarmless(low)
}

var (
	path       = regexp.MustCompile(`^[a-z]{1,30}(?:/[a-z]{1,30}){1,4}$`)
	holder     = regexp.MustCompile(`(?:secret(?:[_.-]?key)?|credentials?|creds)$`)
	objectName = regexp.MustCompile(`^(?:[a-z0-9-]+/[a-z0-9.-]+|[a-z0-9.]+(?:-[a-z0-9.]+)*-(?:secrets?|tls|ssl|certs?|certificate|ca|creds?|credentials?|passwords?|tokens?|keys?|auth|config|registry))$`)
	pgpID      = regexp.MustCompile(`^(?:0x)?(?:[0-9A-F]{8}|[0-9A-F]{16}|[0-9A-F]{40})!?$`)
	plainWords = regexp.MustCompile(`^[a-z]{1,16}(?:-[a-z]{1,16})+(?:-?\d{1,2})?$`)
	// keyHolder matches names of a key within a Secret, and keyName the format of such keys.
	keyHolder = regexp.MustCompile(`(?:secret|password|passwd|token|credentials?|user(?:name)?|auth)[_.-]?(?:secret)?[_.-]?key$`)
	keyName   = regexp.MustCompile(`^(?:[a-z][a-z0-9]*[_.-])*(?:password|passwd|pass|passphrase|secret|token|key|apikey|credentials?|username|user|auth|cookie|dsn|url|uri|certificate|cert)(?:[_.-](?:prod|dev|staging|test))?$`)
)

// asWords matches one or more words, possibly with a number at the end, as in names, modes, metrics, types,
// variables and rules. People have such passwords, but next to a name they are as often something else.
var asWords = regexp.MustCompile(`^(?:` + strings.Join([]string{
	aWord,
	numbered + `(?:[-_./:=|]` + numbered + `){1,8}`,
	`[A-Z][a-z]{1,15}(?:[A-Z][a-z]{2,15}){1,5}`,
	`[a-z]{1,15}(?:[A-Z][a-z]{1,15}){0,4}(?:Password|Passphrase|Pass|Pwd|Token|Secret|Key|Credentials)`,
	rule + `(?:\|` + rule + `){1,8}`,
}, "|") + `)$`)

const (
	aWord    = `(?:[a-z]{1,15}|[A-Z]{1,15}|[A-Z][a-z]{1,15})`
	numbered = aWord + `(?:\d{1,2}[a-z]?)?`
	rule     = `[a-z_]{2,20}(?::[a-z0-9_,.]{1,20})?`
)

// downgradeWords downgrades a match that depends on its name alone to likely if the value consists of words.
func (m Match) downgradeWords(value string) Match {
	if asWords.MatchString(strings.TrimRight(value, `])}>.,;:`)) {
		m.Detector, m.Likely = m.Detector+" of words", true
	}
	return m
}

// namesSecret reports whether a value is the name of a Secret, or of a key in one, rather than its content. A
// name that ends in secret or credentials often denotes an object: --webhook-secret=cert-manager/webhook-tls.
// base64 contains no hyphen, so it does not match.
func namesSecret(name, value string) bool {
	low := lower(value)
	switch {
	case strings.HasSuffix(name, "secret") && path.MatchString(low):
		return true
	case strings.Contains(low, "-") && holder.MatchString(name) && objectName.MatchString(low):
		return true
	case strings.HasSuffix(name, "key") && strings.HasPrefix(low, "x-"): // the name of a header, such as X-API-Key
		return true
	case strings.HasSuffix(name, "key") && keyHolder.MatchString(name) && keyName.MatchString(low):
		return true
	case strings.HasSuffix(name, "signingkey") && pgpID.MatchString(value): // Git's signing key
		return true
	}
	switch name {
	case "secret", "credential", "credentials", "creds":
		return plainWords.MatchString(low)
	}
	return false
}

// repeatsName reports whether a value repeats its own name: GOOGLE_API_KEY=GOOGLE_API_KEY_VAL. A single word is
// still a password, as in password=password.
func repeatsName(name, value string) bool {
	if len(value) > 200 || len(name) < 6 {
		return false
	}
	v, n := letters(value), letters(name)
	for _, prefix := range []string{"your", "my", "insert", "enter", "the", "some", "example", "sample", "dummy", "fake", "replace"} {
		if rest := strings.TrimPrefix(v, prefix); rest == n && rest != v && strings.ContainsAny(value, "_- ") {
			return true
		}
	}
	if !strings.HasPrefix(v, n) {
		return false
	}
	switch v[len(n):] {
	case "":
		return strings.ContainsAny(value, "_-. ") && strings.ContainsAny(name, "_-.")
	case "val", "value", "here", "placeholder", "goeshere", "string", "example", "tbd", "todo":
		return true
	}
	return false
}

func letters(text string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("_-. <>[]", r) {
			return -1
		}
		return r
	}, lower(text))
}
