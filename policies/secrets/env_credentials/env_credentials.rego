# METADATA
# title: Credentials come from Secrets
# description: >-
#   Credentials reach a container through secretKeyRef, never as a literal: anyone who may read the workload could read
#   them, and its manifest is in Git. Every text that reaches a process or the network is checked: env, command and
#   args, the commands of probes and lifecycle hooks and the headers they send, attributes of CSI volumes, and
#   annotations, which may contain a whole object. A credential is recognized by its name (DB_PASSWORD, --api-key), by
#   its format (AWS keys, private keys, JSON Web Tokens, URLs with a password, webhooks, tokens of well-known services),
#   or by the program that reads it (curl -u, mysql -p, docker login -p). What is only likely to be a credential causes
#   a warning, such as a random value under a name that ends in KEY, or a literal as the default of a variable
#   (${DB_PASSWORD:-x}). References are allowed: templates, paths, $(VAR) unless its value is next to it as a literal,
#   URLs without a password, addresses in a secret store. A value from a ConfigMap causes a warning at most, if both its
#   key and the variable are named like a credential, because the value itself is not in the object. Values are checked,
#   never shown. There is no fix.
# custom:
#   id: env-credentials
#   severity: critical
#   section: 3.4.1, 3.4.2
#   kinds:
#   - Pod
#   - Deployment.apps
#   - StatefulSet.apps
#   - DaemonSet.apps
#   - ReplicaSet.apps
#   - ReplicationController
#   - Job.batch
#   - CronJob.batch
#   default_mode: enforce
#   remediation: "Put it in a Secret and reference that: valueFrom: {secretKeyRef: {name: db-config, key: db-password}}; in args, write $(DB_PASSWORD)."
#   parameters:
#     type: object
#     properties:
#       allowedNames:
#         type: array
#         items: {type: string, pattern: '^[A-Za-z0-9_.*?-]+$'}
#         default: []
#         description: Names of env entries and flags that are not credentials. Case is ignored; * matches any characters.
#       extraNames:
#         type: array
#         items: {type: string, pattern: '^[A-Za-z0-9_.*?-]+$'}
#         default: []
#         description: Additional names of env entries and flags that are credentials. Case is ignored; * matches any characters.
package taffrail.secrets.env_credentials

import data.taffrail.lib.credentials
import future.keywords.not

# METADATA
# title: A literal value
deny contains object.union(finding, credentials.ceiling(hit)) if {
	some path, place in places
	place.sort != "word"
	hit := foremost(path)
	finding := {
		"msg": sprintf("%s holds %s as a literal value", [place.field, hit.what]),
		"path": path,
		"container": place.container,
	}
}

# METADATA
# title: A value under a name that the parameter extraNames lists
deny contains finding if {
	some path in extra_paths
	place := input.credentials.plain[path]
	finding := object.union(
		{
			"msg": sprintf("%s holds %s as a literal value", [place.field, what(place)]),
			"path": path,
			"container": place.container,
		},
		moving(place, what(place)),
	)
}

# METADATA
# title: A value from a ConfigMap
# description: It may only be a reference, so this is a warning. configmap-credentials checks the value itself.
deny contains finding if {
	some path, env in input.credentials.fromConfigMap
	credential(env.key, env.keyIsCredential)
	credential(env.name, env.nameIsCredential)
	finding := {
		"msg": sprintf("%q is a credential but comes from a ConfigMap", [env.name]),
		"path": path,
		"container": env.container,
		"at_most": "warn",
	}
}

# METADATA
# title: A word of a command line
deny contains object.union(finding, credentials.ceiling(hit)) if {
	some path, place in places
	place.sort == "word"
	some hit in place.holds
	not allowed(hit.name)
	finding := object.union(
		{
			"msg": sprintf("%s holds %s as a literal value", [place.field, hit.what]),
			"path": path,
			"container": place.container,
		},
		moving(place, hit.what),
	)
}

# METADATA
# title: The texts in which a credential was found
# description: They are found in Go, see webhook/credentials.
places[path] := place if {
	some path, place in input.credentials.found
	not allowed(place.name)
	not path in extra_paths
}

# METADATA
# title: The literals under a name that the parameter extraNames lists
extra_paths := {path |
	count(extra_names) > 0 # or they need not be looked for
	some path, place in input.credentials.plain
	extra(place.name)
}

# METADATA
# title: The most important of the credentials in a value
# description: One finding per value is enough. Certain credentials come first.
foremost(path) := hit if {
	ranked := sort([[rank(hit), hit.what, hit] | some hit in places[path].holds; not allowed(hit.name)])
	hit := ranked[0][2]
}

rank(hit) := 1 if {
	hit.likely
} else := 0

# METADATA
# title: The key of a finding about a word
# description: It has no position, because words move when others are added before them.
moving(place, what_) := {"key": concat(" ", ["command line holds", what_])} if {
	place.sort == "word"
} else := {}

what(place) := sprintf("the credential %q", [place.name]) if {
	place.sort == "word"
} else := "a credential"

credential(name, known) if {
	known
	not allowed(name)
}

credential(name, _) if extra(name)

extra(name) if {
	credentials.listed(name, extra_names)
	not allowed(name)
}

allowed(name) if credentials.listed(name, allowed_names)

allowed_names := {lower(name) | some name in input.parameters.allowedNames}

extra_names := {lower(name) | some name in input.parameters.extraNames}
