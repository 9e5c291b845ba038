# METADATA
# title: Credentials
# description: >-
#   What looks like a credential: by its name, by its own shape, or by the text it stands in. None of the functions
#   returns any part of a value, so that callers cannot tell one.
package taffrail.lib.credentials

import future.keywords.not

# METADATA
# title: The name says that the value is a credential
# description: >-
#   The last noun decides, as in English: DB_PASSWORD is one, and so is DB_PASSWORD_PROD; PASSWORD_MIN_LENGTH, TOKEN_URL
#   and SECRET_NAME are not. Rails' SECRET_KEY_BASE is one.
named(name) if {
	is_string(name)
	regex.match(`(?i)pass|pwd|secret|token|key|cred|masterauth|cookie`, name) # most names are none, and this is cheaper
	low := lower(name)
	regex.match(names_of_credentials, low)
	not regex.match(names_of_others, low)
}

names_of_credentials := concat("", ["(?:", concat("|", credential_nouns), ")(?:", concat("|", credential_suffixes), `){0,2}(?:\.txt)?$`])

credential_nouns := [
	`passw(?:or)?ds?`, `passphrases?`, `passcodes?`,
	`(?:^|[_.-]|require|master|db|user|root|admin|auth|my|sql|pg|mail|smtp|redis|ldap|bind|ssh)(?:pass|pwd)`, # no compass, no bypass
	`secret`, `token`, `credentials?`, `creds`, `masterauth`,
	`(?:api|access|secret|private|encrypt(?:ion)?|signing|auth|master|account|admin|licen[cs]e|unseal|fernet|hmac|deploy|jwt|cookie)[_.-]?keys?`,
	`secret[_.-]?key[_.-]?base`, `erl(?:ang)?[_.-]?cookie`,
]

credential_suffixes := [
	`[_.-]?(?:[0-9]{1,2}|value|plain|plaintext|b64|base64)`,
	`[_.-](?:prod|production|staging|stage|dev|test|live|old|primary|secondary)`,
]

names_of_others := concat("|", [
	`(?:^|[_.-])(?:pull|existing|tls|ssl|ca|cert|certificate|password|registry|image|k8s|kube|kubernetes)[_.-]?secret$`, # an object
	`pull[_.-]?secret$`, `existing[_.-]?secret$`, `password[_.-]?secret$`,
	`(?:^|[_.-])(?:eos|bos|pad|unk|mask|cls|sep|stop|start|end|special|input|output|image|audio|video)[_.-]?token$`, # of a language model
	`(?:^|[_.-])(?:next|page|continue|continuation|csrf|xsrf|max|min|num|per|total|id)[_.-]?token$`,
	`initial[_.-]cluster[_.-]token$`,
	`(?:^|[_.-])public[_.-].*(?:key|token)s?$`,
	`(?:load|set|import|with|include|allow|use)[_.-]?credentials?$`, # a switch
	`trust[_.-]?store[_.-]?(?:pass|pwd)`, # of public certificates
])

# METADATA
# title: One of the patterns stands for the name, in any case
# description: >-
#   For a name of ordinary length: nothing limits how long the name of an env entry is, and a pattern with several
#   asterisks takes as long as the square of it.
listed(name, patterns) if {
	is_string(name)
	count(name) <= 1024
	some pattern in patterns
	glob.match(lower(pattern), null, lower(name))
}

# METADATA
# title: A value that is the credential which its name announces
# description: The caller knows that the name is a credential's.
literal(name, value) if {
	low := lower(trim_space(value))
	not innocent(low)
	not reference(lower(name), low)
}

# METADATA
# title: A value that tells nobody anything
# description: >-
#   Nothing, a switch, a type's name, a placeholder, a variable, a template, a path, a URL, what is encrypted, or the
#   address of a value in a store of secrets. In lower case. changeme and 12345 are passwords.
innocent(low) if words[low]

innocent(low) if regex.match(innocent_values, low)

# METADATA
# title: A value that is put together, where no part of it is more than a word
innocent(low) if {
	regex.match(opening, low)
	rest := regex.replace(low, variable, "")
	not telling(rest)
}

opening := `\$[({]|\{\{|#\{|<%`

# The innermost of those that are in each other go, and what is left of the others is a beginning.
variable := `\$\([^()]*\)|\$\{[^{}]*\}|\{\{.*?\}\}|#\{[^{}]*\}|<%.*?%>`

telling(rest) if {
	not regex.match(opening, rest)
	some word in regex.split(`[\s/:,;._@=?&-]+`, rest)
	count(word) >= 6
	regex.match(`[a-z]`, word)
	regex.match(`[0-9]`, word)
}

# METADATA
# title: A value that is encrypted, as far as can be seen
# description: Apart from the others, because patterns that count make the whole of a pattern slow.
innocent(low) if {
	strings.any_prefix_match(low, ["enc[", "enc(", "aqicah", "vault:v", "bao:v", "{"])
	regex.match(ciphertext, low)
}

ciphertext := concat("", ["^(?:", concat("|", ciphertexts), ")"])

ciphertexts := [
	`enc\[aes256_gcm,data:(?:[a-z0-9+/]{100}|[a-z0-9+/]*={0,2},iv:[a-z0-9+/]{43}=,tag:[a-z0-9+/]{22}==)`,
	`enc\[(?:pkcs7|gpg|kms),[a-z0-9+/]{40}`,
	`enc\([a-z0-9+/]{22}`,
	`aqicah[a-z0-9+/]{120}`,
	`(?:vault|bao):v[0-9]+:[a-z0-9+/]{38}`,
	`\{(?:cipher|s?sha[0-9]*|s?md5|crypt|bcrypt|pbkdf2|scrypt|argon2)\}[a-z0-9+/=$.,]{20}`,
]

innocent_values := concat("", ["^(?:", concat("|", whole_values), ")$|^(?:", concat("|", beginnings), ")"])

whole_values := [
	``,
	`[0-9]`, # one digit: a switch
	`-+`, `x{3,}`, `\*+`, # masked
	`<[^<>]*>`, `\[[^\[\]]*\]`, `\([^()]*\)`, "`[^`]*`", # a placeholder, a command
	`(?:[a-z]+[_.-])*placeholder(?:[_.-][a-z0-9]{1,12})*`, `__.*__`, `@@[a-z0-9_.-]+@@`,
	`\$(?:[0-9@*#?]?|[a-z_][a-z0-9_.:/-]*)`, `[^\s:]+:\$[a-z_][a-z0-9_]*`, # a variable
	`/[a-z][a-z0-9_.:-]*(?:/[a-z0-9_.:-]*)*`, # a path
	`\S+\.(?:[a-z_]*(?:password|token|secret|key|credentials)|pem|crt|cer|der|p12|pfx|jks|pub|txt|json|ya?ml|properties|env|conf|cfg|ini|toml|xml|sh|py|js)`, # a file
]

beginnings := [
	`[~^]?[0-9]+\.[0-9]+\.[0-9]+`, # a version
	`\{[a-z0-9_-]*\}(?:$|[^a-z0-9])`, # a placeholder
	`-----begin (?:pgp message|age encrypted file)-----(?:$|(?:\s|\\[nr])+[a-z0-9])`, # the first line of what is encrypted
	`%[a-z_({%]`, `\$__`, `@[a-z_.]+[@(]`, # a template
	`\.{3}`, `your[_ -]`, # a placeholder
	`ref\+`, `projects/`, `//`, `[a-z][a-z0-9+.-]*://`, # an address: one with a password is found by that
	`(?:vault|bao):[^\s:]*[/#]`, `arn:aws[a-z-]*:[a-z0-9-]+:`,
	`(?:ssm|sm|op|akv|keyvault|awssm|awsps|gcpsm|gsm|aws-?secrets?(?:manager)?|secrets?manager|secret|secretref|secretkeyref|env|file|ref|kms|berglas|sops|conjur|doppler|infisical|kubernetes|k8s|parameterstore|bws):(?:\S*[/#]|[a-z]+$|[a-z0-9]+(?:[_.:-][a-z0-9]+)+$)`,
	`(?:\.{1,2}|~)/`, `[a-z]:\\`, # a path
	`(?:os|process|self|this|req|request|config|settings|options|opts|args|params|ctx|event|vars?|local|module|values|secrets|data|user)\.[a-z_]`, # a variable of a program
]

# METADATA
# title: What stands in a text where a value would be
# description: Beside what is innocent anywhere, what begins an alias, a tag, a list or a call in one language or other.
vacant(low) if innocent(low)

vacant(low) if regex.match("^[*<{(\\[|!`]", low)

words := {
	"true", "false", "yes", "no", "on", "off", "y", "n", "null", "nil", "none", "~", "undefined", "enable", "enabled",
	"disable", "disabled", "required", "optional", "include", "omit", "files", "read", "write", "same-origin", "string", "string!", "str",
	"bytes", "bearer", "basic", "jwt", "header", "irsa", "projected", "instance_profile", "aws", "id", "redacted", "[redacted]", "hidden", "masked", "todo", "tbd", "n/a",
	"trace", "debug", "info", "warn", "error",
}

# METADATA
# title: The name of a Secret and not what is in it
# description: >-
#   A name that ends in secret or credentials often means an object: --webhook-secret=cert-manager/webhook-tls. base64
#   has no hyphen, so that it is not taken for one.
reference(name, low) if {
	endswith(name, "secret")
	regex.match(`^[a-z]{1,30}(?:/[a-z]{1,30}){1,4}$`, low)
}

reference(name, low) if {
	contains(low, "-")
	regex.match(`(?:secret(?:[_.-]?key)?|credentials?|creds)$`, name)
	regex.match(
		`^(?:[a-z0-9-]+/[a-z0-9.-]+|[a-z0-9.]+(?:-[a-z0-9.]+)*-(?:secrets?|tls|ssl|certs?|certificate|ca|creds?|credentials?|passwords?|tokens?|keys?|auth|config|registry))$`,
		low,
	)
}

reference(name, low) if {
	name in {"secret", "credential", "credentials", "creds"}
	regex.match(`^[a-z]{1,16}(?:-[a-z]{1,16})+(?:-?[0-9]{1,2})?$`, low)
}

# METADATA
# title: The name of a header, such as X-API-Key
reference(name, low) if {
	endswith(name, "key")
	startswith(low, "x-")
}
