# METADATA
# title: ConfigMaps hold no credentials
# description: >-
#   A ConfigMap holds what is not secret: it is shown in full by kubectl describe, and its manifest is in Git. Refused
#   are keys that are named as credentials and hold a literal value, values that are known by their shape (AWS keys,
#   private keys, JSON Web Tokens, URLs with a password, webhooks, tokens of well-known services), and such names and
#   values in files and scripts (password: x, db.password=x, "apiKey": "x", XML, PHP, .netrc, redis.conf, command lines
#   of well-known clients), in data, binaryData and annotations. What is only likely to be one is warned of, such as a
#   literal as the default of a variable (${DB_PASSWORD:-x}). Certificates and public keys pass, and so do labels of a
#   user interface, comments, references ($VAR, templates, paths, URLs without a password, addresses in a store of
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
deny contains object.union(finding, credentials.ceiling(hit)) if {
	some path, place in places
	some hit in place.holds
	hit.named
	finding := {
		"msg": sprintf("%q is a credential, which belongs in a Secret", [place.name]),
		"path": path,
		"key": path,
	}
}

# METADATA
# title: A key that a parameter says is a credential's
deny contains finding if {
	some path in extra_paths
	place := input.credentials.plain[path]
	finding := {
		"msg": sprintf("%q is a credential, which belongs in a Secret", [place.name]),
		"path": path,
		"key": path,
	}
}

# METADATA
# title: A text with a credential in it
deny contains object.union(finding, credentials.ceiling(hit)) if {
	some path, place in places
	not path in extra_paths
	some hit in place.holds
	not hit.named
	not allowed(hit.name)
	finding := {
		"msg": sprintf("%q holds %s, which belongs in a Secret", [place.name, hit.what]),
		"path": path,
		"key": concat(" ", [path, "holds", hit.what]),
	}
}

# METADATA
# title: The texts in which something was found
# description: Go looks for it, see webhook/credentials.
places[path] := place if {
	some path, place in input.credentials.found
	not allowed(place.name)
}

# METADATA
# title: The literals under a name that a parameter says is a credential's
extra_paths := {path |
	count(extra_names) > 0 # or they need not be looked for
	some path, place in input.credentials.plain
	extra(place.name)
}

extra(name) if {
	credentials.listed(name, extra_names)
	not allowed(name)
}

allowed(name) if credentials.listed(name, allowed_names)

allowed_names := {lower(name) | some name in input.parameters.allowedNames}

extra_names := {lower(name) | some name in input.parameters.extraNames}
