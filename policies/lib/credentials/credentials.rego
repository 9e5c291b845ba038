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
	regex.match(
		`(?:passw(?:or)?ds?|passphrases?|passcodes?|(?:^|[_.-]|require|master|db|user|root|admin|auth|my|sql|pg|mail|smtp|redis|ldap|bind|ssh)(?:pass|pwd)|secret|token|(?:api|access|secret|private|encrypt(?:ion)?|signing|auth|master|account|admin|licen[cs]e|unseal|fernet|hmac|deploy|jwt|cookie)[_.-]?keys?|credentials?|creds|masterauth|erl(?:ang)?[_.-]?cookie|secret[_.-]?key[_.-]?base)(?:[_.-]?(?:[0-9]{1,2}|value|plain|plaintext|b64|base64)|[_.-](?:prod|production|staging|stage|dev|test|live|old|primary|secondary)){0,2}(?:\.txt)?$`,
		low,
	)
	not regex.match(
		`(?:^|[_.-])(?:(?:pull|existing|tls|ssl|ca|cert|certificate|password|registry|image|k8s|kube|kubernetes)[_.-]?secret|(?:eos|bos|pad|unk|mask|cls|sep|stop|start|end|special|next|page|continue|continuation|csrf|xsrf|max|min|num|per|total|input|output|id|image|audio|video)[_.-]?token|public[_.-].*(?:key|token)s?)$|initial[_.-]cluster[_.-]token$|(?:load|set|import|with|include|allow|use)[_.-]?credentials?$|pull[_.-]?secret$|existing[_.-]?secret$|password[_.-]?secret$|trust[_.-]?store[_.-]?(?:pass|pwd)`,
		low,
	)
}

# METADATA
# title: One of the patterns stands for the name, in any case
listed(name, patterns) if {
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

innocent(low) if regex.match(
	`^(?:$|[0-9]$|[~^]?[0-9]+\.[0-9]+\.[0-9]+|[*<{(\[|!\x60]|-+$|%[a-z_({%]|\$(?:[0-9@*#?]?$|[a-z_][a-z0-9_.:/-]*$|__)|@[a-z_.]+[@(]|@@[a-z0-9_.-]+@@$|[^\s:]+:\$[a-z_][a-z0-9_]*$|(?:[a-z]+[_.-])*placeholder(?:[_.-][a-z0-9]{1,12})*$|__.*__$|x{3,}$|\.{3}|your[_ -]|enc[\[(]|-----begin (?:pgp message|age enc)|aqicah|ref\+|projects/|//|[a-z][a-z0-9+.-]*://|(?:vault|bao|ssm|sm|op|akv|keyvault|awssm|awsps|gcpsm|gsm|aws-?secrets?(?:manager)?|secrets?manager|secret|secretref|secretkeyref|arn|env|file|ref|kms|berglas|sops|conjur|doppler|infisical|kubernetes|k8s|parameterstore|bws):|(?:\.{1,2}|~)/|/[a-z][a-z0-9_.:-]*(?:/[a-z0-9_.:-]*)*$|[a-z]:\\|(?:os|process|self|this|req|request|config|settings|options|opts|args|params|ctx|event|vars?|local|module|values|secrets|data|user)\.[a-z_])|^\S+\.(?:[a-z_]*(?:password|token|secret|key|credentials)|pem|crt|cer|der|p12|pfx|jks|pub|txt|json|ya?ml|properties|env|conf|cfg|ini|toml|xml|sh|py|js)$|\$[({]|\{\{|#\{|<%`,
	low,
)

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
