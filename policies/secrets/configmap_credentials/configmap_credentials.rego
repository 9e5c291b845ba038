# METADATA
# title: ConfigMaps hold no credentials
# description: >-
#   A ConfigMap holds what is not secret: it is shown in full by kubectl describe, and its manifest stands in Git. Refused
#   are keys that are named as credentials and hold a literal value, values that are known by their shape (AWS keys,
#   private keys, JSON Web Tokens, URLs with a password, tokens of well-known services), and such names and values in
#   files and scripts (password: x, db.password=x, "apiKey": "x"), in data and in binaryData. Certificates and public keys
#   pass, and so do comments, references ($VAR, templates, paths, URLs without a password, addresses in a store of
#   secrets) and names that only describe a credential (password_file, token_ttl). Values are judged, never shown. There
#   is no fix.
# custom:
#   id: configmap-credentials
#   severity: critical
#   section: 3.4.4
#   kinds: [ConfigMap]
#   default_mode: enforce
#   remediation: "Move it into a Secret, and mount that or refer to it by secretKeyRef: {name: db-config, key: db-password}; in a file, write a variable such as ${DB_PASSWORD}."
#   parameters:
#     type: object
#     properties:
#       allowedNames:
#         type: array
#         items: {type: string, pattern: '^[A-Za-z0-9_.*?-]+$'}
#         default: []
#         description: Keys, and names in files, that are no credentials, in any case; * stands for any characters.
#       extraNames:
#         type: array
#         items: {type: string, pattern: '^[A-Za-z0-9_.*?-]+$'}
#         default: []
#         description: Further keys that are credentials, in any case; * stands for any characters.
package taffrail.secrets.configmap_credentials

import data.taffrail.lib.credentials
import future.keywords.not

# METADATA
# title: A key that is named as a credential
deny contains finding if {
	some field, texts in contents
	some key, content in texts
	credential(key, content)
	path := sprintf("%s[%s]", [field, key])
	finding := {
		"msg": sprintf("%q is a credential, which belongs in a Secret", [key]),
		"path": path,
		"key": path,
	}
}

# METADATA
# title: A text with a credential in it
deny contains finding if {
	some field, texts in contents
	some key, content in texts
	not credential(key, content)
	some hit in credentials.found(content)
	not allowed(hit.name)
	path := sprintf("%s[%s]", [field, key])
	finding := {
		"msg": sprintf("%q holds %s, which belongs in a Secret", [key, hit.what]),
		"path": path,
		"key": concat(" ", [path, "holds", hit.what]),
	}
}

# A value of several lines is a file, whatever its name.
credential(key, content) if {
	credential_name(key)
	not contains(trim_space(content), "\n")
	credentials.literal(key, content)
}

# METADATA
# title: The texts of the keys that are not allowed
# description: Comprehensions, because a rule with a key in its head takes the longer for each the more keys there are.
contents := {
	"data": {key: text(value) | some key, value in entries("data"); not allowed(key)},
	"binaryData": {key: decoded(text(value)) | some key, value in entries("binaryData"); not allowed(key)},
}

entries(field) := input.object[field] if is_object(input.object[field])

decoded(value) := base64.decode(value) if {
	base64.is_valid(value)
} else := value

credential_name(name) if credentials.named(name)

credential_name(name) if credentials.listed(name, parameters.extraNames)

allowed(name) if credentials.listed(name, parameters.allowedNames)

parameters := input.parameters["configmap-credentials"]

# A value that is no text is refused by the API server, but not by every reader of a manifest.
text(value) := value if {
	is_string(value)
} else := "" if {
	value == null
} else := json.marshal(value)
