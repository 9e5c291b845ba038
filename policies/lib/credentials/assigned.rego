package taffrail.lib.credentials

import future.keywords.not

# METADATA
# title: Values under a name, in lower case
# description: >-
#   Files and scripts of any language: password: x, db.password=x, "apiKey": "x", <password>x</password>, a header
#   Authorization. Go's regular expressions are slow where they may begin anywhere, so the text is split at the nouns, and
#   only the surroundings of one are matched.
assigned(low) := {{"name": name, "what": described(name)} |
	some noun, rest in nouns
	contains(low, noun)
	parts := split(low, noun)
	likely := [i | some i, part in array.slice(parts, 1, 5001); regex.match(rest, part); fits(noun, parts[i])]
	some i in array.slice(likely, 0, 200)
	line := last_line(concat(noun, array.slice(parts, max([0, i - 2]), i + 1)))
	not aside(line)
	beginning := regex.find_n(`[a-z0-9_.\-]*$`, line, 1)[0]
	right := substring(concat(noun, array.slice(parts, i + 1, i + 5)), 0, 200)
	[ending, value] := assignment(beginning, right)
	whole := concat("", [bare(beginning), noun, ending])
	named(whole)
	not matched(noun, line, right)
	not passed_on(line, right)
	not vacant(value)
	not reference(whole, value)
	not regex.match(`[^ -~]`, value) # a label on a screen, in some language
	name := presentable(line, whole)
}

# METADATA
# title: Where a text is split, and what may come next
# description: The rest of a name that ends there, and something that may be a value. Most mentions are passed over by this.
nouns[noun] := concat("", ["^", ending, assignment_follows]) if {
	some noun, ending in {
		"pass": `(?:w(?:or)?ds?|phrases?|codes?)?`,
		"pwd": "",
		"secret": "",
		"token": "",
		"key": `(?:s|[_.-]?base)?`,
		"cred": `(?:entials?|s)`,
	}
}

assignment_follows := `(?:[_.-]?(?:[0-9]{1,2}|value|plain|plaintext|b64|base64)|[_.-](?:prod|production|staging|stage|dev|test|live|old|primary|secondary)){0,2}(?:[\\"\x27\]]{0,3}[ \t]*(?:=>|:=|[:=])[ \t]*\\?["\x27]?(?:[^\s"\x27$<{\[(|*!%\x60]|$)|>[^<$\s]|[ \t]+\x27)`

# Most keys are none of a credential.
fits(noun, _) if noun != "key"

fits("key", left) if strings.any_suffix_match(trim_right(substring(left, max([0, count(left) - 12]), -1), "_-."), [
	"api", "access", "secret", "private", "encrypt", "encryption", "signing", "auth", "master", "account", "admin",
	"license", "licence", "unseal", "fernet", "hmac", "deploy", "jwt", "cookie",
])

# METADATA
# title: The rest of a name, and its value
# description: >-
#   A value without quotes ends at a blank after "=", as in a shell, and is all of its line after ":" or " = ", or it would
#   be prose. One that goes on with a bracket is a call in some programming language.
assignment(beginning, right) := [groups[1], value] if {
	some groups in regex.find_all_string_submatch_n(
		`^([a-z0-9_.\-]*)(?:[\\"']{0,2}\]?[ \t]*(?:=>|:=|[:=])[ \t]*(?:\\?"([!#-~]+)(?:"|$)|'([!-&(-~]+)(?:'|$)|([0-9]+)[ \t]*,)|>([!-;=-~]+)</|[ \t]+'([!-&(-~]+)')`,
		right,
		1,
	)
	not regex.match(`^[a-z]*[ \t]+:["']`, right) # a variable of psql: PASSWORD :'reader_password'
	value := trim_right(concat("", array.slice(groups, 2, 7)), `\`)
} else := [groups[1], value] if {
	some groups in regex.find_all_string_submatch_n(
		`^([a-z0-9_.\-]*)(?:\]?:?=([^\s"'=~,;&|<>(){}\[\]\x60\\][^\s"',;&|<>(){}\[\]\x60]*)(?:[\s"',;&|<>)}\]\x60]|$)|[\\"']{0,2}\]?[ \t]*(?:=>|:=|[:=])[ \t]*([^\s"'=~,;&|<>(){}\[\]\x60\\][^\s"',;(){}\[\]\x60]*)[ \t]*(?:\r?(?:\n|$|[#}]|//)|,"))`,
		right,
		1,
	)
	value := concat("", array.slice(groups, 2, 4))
	not code(beginning, value)
	not prose(beginning, right)
}

# METADATA
# title: A variable, in a script
# description: 'self.password = password, token: user.token, secret = default_secret: nobody quotes those.'
code(beginning, _) if regex.match(`^(?:self|this)\.`, beginning)

code(_, value) if regex.match(
	`^(?:[a-z_]+\.)+[a-z_]+$|^[a-z][a-z_]*_(?:password|passphrase|passwd|pass|pwd|token|secret|key|credentials)$`,
	value,
)

# METADATA
# title: 'What a query for metrics asks for: kube_secret_info{namespace="shop",secret="tls"}'
matched(noun, line, right) if {
	noun in {"secret", "token"}
	regex.match(`[a-z0-9_:]\{[^{}]*$`, line)
	regex.match(`^[a-z0-9_]*=~?\\?["']`, right)
}

# METADATA
# title: 'A variable that a call passes on: connect(user=user, password=password)'
passed_on(line, right) if {
	regex.match(`[a-z0-9_]\((?:[^"'()]|"[^"]*"|'[^']*')*$`, line)
	regex.match(`^[a-z0-9_]*=[a-z_.]+[,)]`, right)
}

# On a line of its own.
passed_on(line, right) if {
	regex.match(`^\s+[a-z0-9_]*$`, line)
	regex.match(`^[a-z0-9_]*=[a-z_.]+,[ \t]*\r?(?:\n|$)`, right)
}

# METADATA
# title: A message, in a file of messages
# description: 'error.password=Wrong password. A shell, where a blank ends the value, has no dots in its names.'
prose(beginning, right) if {
	contains(beginning, ".")
	not startswith(beginning, "-")
	regex.match(`^[a-z0-9_.\-]*=\S+[ \t]+\S`, right)
}

# METADATA
# title: The beginning of a name, without what makes it a flag or a property of Java
bare(beginning) := substring(beginning, 2, -1) if {
	regex.match(`^-d[a-z0-9_\-]+\.`, beginning)
} else := trim_left(beginning, "-.")

# METADATA
# title: The name, where it cannot be a part of another value
# description: That is at the beginning of a line, of a member of a JSON object, or of a flag.
presentable(line, name) := name if {
	count(name) <= 80
	regex.match(`(?:^\s*(?:-\s)?[\s"'<{,\\]*(?:--|(?:export|set|env|-e)\s+)?|[{,]\s*\\?["']|\s--)(?:[a-z0-9_.][a-z0-9_.\-]*)?$|(?:^|\s)-d[a-z0-9_\-]+\.[a-z0-9_.\-]*$`, line)
} else := ""
