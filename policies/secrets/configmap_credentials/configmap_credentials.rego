# METADATA
# title: ConfigMaps hold no credentials
# description: >-
#   A ConfigMap is for data that is not secret: kubectl describe shows it in full, and its manifest is in Git. In data,
#   binaryData and annotations, the policy denies keys that are named like credentials and hold a literal value, values
#   that are recognizable by their format (AWS keys, private keys, JSON Web Tokens, URLs with a password, webhooks,
#   tokens of well-known services), and such names and values in files and scripts (password: x, db.password=x,
#   "apiKey": "x", XML, PHP, .netrc, redis.conf, command lines of well-known clients). What is only likely to be a
#   credential causes a warning, such as a literal as the default of a variable (${DB_PASSWORD:-x}). Certificates and
#   public keys are allowed, and so are labels of a user interface, comments, references ($VAR, templates, paths, URLs
#   without a password, addresses in a secret store) and names that only describe a credential (password_file,
#   token_ttl). Values are checked, never shown. There is no fix.
# custom:
#   id: configmap-credentials
#   severity: critical
#   section: 3.4.4
#   kinds: [ConfigMap]
#   default_mode: enforce
#   remediation: "Move it into a Secret, and mount that or reference it with secretKeyRef: {name: db-config, key: db-password}; in a file, write a variable such as ${DB_PASSWORD}."
#   parameters:
#     type: object
#     properties:
#       allowedNames:
#         type: array
#         items: {type: string, pattern: '^[A-Za-z0-9_.*?-]+$'}
#         default: []
#         description: Keys, and names in files, that are not credentials. Case is ignored; * matches any characters.
#       extraNames:
#         type: array
#         items: {type: string, pattern: '^[A-Za-z0-9_.*?-]+$'}
#         default: []
#         description: Additional keys that are credentials. Case is ignored; * matches any characters.
package taffrail.secrets.configmap_credentials

import data.taffrail.lib.credentials
import future.keywords.not

# METADATA
# title: A key that is named like a credential
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
# title: A key that the parameter extraNames lists
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
# title: A text that contains a credential
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
# title: The texts in which a credential was found
# description: They are found in Go, see webhook/credentials.
places[path] := place if {
	some path, place in input.credentials.found
	not allowed(place.name)
}

# METADATA
# title: The literals under a name that the parameter extraNames lists
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
