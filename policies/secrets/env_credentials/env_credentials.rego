# METADATA
# title: Credentials come from Secrets
# description: >-
#   Credentials reach a container by secretKeyRef, never as a literal env value or a word of command or args: whoever may
#   read the workload reads them, and its manifest stands in Git. A credential is known by its name (DB_PASSWORD,
#   --api-key), by its shape (AWS keys, private keys, JSON Web Tokens, URLs with a password, tokens of well-known
#   services), or by what it is given to (curl -u, mysql -p, a header Authorization). References pass: templates, paths,
#   $(VAR) unless its value stands beside it as a literal, URLs without a password, addresses in a store of secrets. A credential by both names that comes from a
#   ConfigMap is only warned of, as its value is not here. Values are judged, never shown. There is no fix.
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
#   remediation: "Put it into a Secret and refer to that: valueFrom: {secretKeyRef: {name: db-config, key: db-password}}; in args write $(DB_PASSWORD)."
#   parameters:
#     type: object
#     properties:
#       allowedNames:
#         type: array
#         items: {type: string, pattern: '^[A-Za-z0-9_.*?-]+$'}
#         default: []
#         description: Names of env entries and flags that are no credentials, in any case; * stands for any characters.
#       extraNames:
#         type: array
#         items: {type: string, pattern: '^[A-Za-z0-9_.*?-]+$'}
#         default: []
#         description: Further names of env entries and flags that are credentials, in any case; * stands for any characters.
package taffrail.secrets.env_credentials

import data.taffrail.lib.credentials
import future.keywords.not

# METADATA
# title: A literal value
deny contains finding if {
	some container in input.containers
	some i, env in container.spec.env
	value := expanded(container, "env", i, env.value)
	name := text(object.get(env, "name", ""))
	regex.match(clue, concat("=", [name, value]))
	finding := {
		"msg": sprintf("%q holds %s as a literal value", [name, held(name, value)]),
		"path": sprintf("%s.env[%v].value", [container.path, i]),
		"container": container.name,
	}
}

# METADATA
# title: A value out of a ConfigMap
# description: It may be a reference after all, so this is a warning. configmap-credentials decides about the value.
deny contains finding if {
	some container in input.containers
	some i, env in container.spec.env
	credential_name(env.valueFrom.configMapKeyRef.key)
	credential_name(env.name)
	finding := {
		"msg": sprintf("%q is a credential and comes from a ConfigMap", [env.name]),
		"path": sprintf("%s.env[%v].valueFrom.configMapKeyRef", [container.path, i]),
		"container": container.name,
		"at_most": "warn",
	}
}

# METADATA
# title: A word that holds a credential
deny contains finding if {
	some path, i
	word := words[path][i]
	not announced(path, i)
	some hit in credentials.found(word.text)
	not allowed(hit.name)
	finding := spoken(path, word, hit.what)
}

# METADATA
# title: A word after a flag
deny contains finding if {
	some path, i
	flag := announced(path, i)
	word := words[path][i]
	not startswith(word.text, "-")
	credentials.literal(flag, word.text)
	finding := spoken(path, word, named_by(words[path][i - 1].text, flag))
}

# METADATA
# title: A word that is a password because of the program
# description: The name of the program stands several words before, as in mysql -p. The word that completes it is named.
deny contains finding if {
	some path, all in words
	some hit in credentials.commanded(line(all))
	i := completed(all, hit)
	not hit in credentials.found(all[i].text)
	finding := spoken(path, all[i], hit.what)
}

# METADATA
# title: The word that completes what the program is given
# description: >-
#   Found in two steps, first among hundreds and then among those, or a command line of thousands of words would be read
#   once for each of them. The program is looked for up to 20 words before. The last word stands for what begins further
#   back.
completed(all, hit) := min(ends) if {
	first := min([i | some i, _ in all; i % 200 == 0; ends_in(all, i, i + 200, hit)])
	ends := [i | some i, _ in all; i >= first; i < first + 200; ends_in(all, i, i + 1, hit)]
	count(ends) > 0
} else := count(all) - 1

ends_in(all, start, end, hit) if hit in credentials.commanded(line(array.slice(all, max([0, start - 20]), end)))

# What follows one hyphen may be a password, as in mysql -p.
named_by(word, flag) := sprintf("the credential %q", [flag]) if {
	startswith(word, "--")
} else := "a credential"

spoken(path, word, what) := {
	"msg": sprintf("%s holds %s as a literal value", [word.field, what]),
	"path": sprintf("%s.%s[%v]", [path, word.field, word.index]),
	"container": input.containers[path].name,
	# Words move when others come before them.
	"key": concat(" ", ["command line holds", what]),
}

# METADATA
# title: The words of a container, command before args
words[path] := array.concat(command, args) if {
	some path, container in input.containers
	command := [{"field": "command", "index": i, "text": expanded(container, "command", i, word)} | some i, word in container.spec.command]
	args := [{"field": "args", "index": i, "text": expanded(container, "args", i, word)} | some i, word in container.spec.args]
}

line(all) := concat(" ", [word.text | some word in all])

# METADATA
# title: The flag before a word, if it says that the word is a credential
announced(path, i) := flag if {
	word := words[path][i - 1].text
	regex.match(`^--?[A-Za-z][A-Za-z0-9_.-]*$`, word)
	flag := trim_left(word, "-")
	credential_name(flag)
}

# METADATA
# title: What all entries match that are worth a look
# description: Most have nothing in them that any of the searches looks for, and end here.
clue := "" if {
	parameters.extraNames[0]
} else := credentials.clue

# METADATA
# title: What an env entry holds
held(name, value) := "a credential" if {
	credential_name(name)
	credentials.literal(name, value)
} else := min({hit.what | some hit in credentials.found(value); not allowed(hit.name)}) if {
	not allowed(name)
}

credential_name(name) if {
	credentials.named(name)
	not allowed(name)
}

credential_name(name) if {
	credentials.listed(name, parameters.extraNames)
	not allowed(name)
}

allowed(name) if credentials.listed(name, parameters.allowedNames)

parameters := input.parameters["env-credentials"]

# METADATA
# title: A text as the program gets it
# description: With the values of $(VAR) where they stand beside it as literals. Others stay references.
expanded(container, list, i, value) := value_ if {
	value_ := container.expanded[list][format_int(i, 10)]
} else := text(value)

# A value that is no text is refused by the API server, but not by every reader of a manifest.
text(value) := value if {
	is_string(value)
} else := json.marshal(value)
