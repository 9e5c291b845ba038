package taffrail.lib.credentials

import future.keywords.not

# METADATA
# title: The credentials in a text
# description: >-
#   A text is a value, a script or a file. The result is a set of {"name", "what"}: name is the name under which a value
#   stands, in lower case, "" where it is not told, and what says it in words that follow "holds". The work is bounded: of the
#   mentions of a noun in a text the first 5000 are looked at, and of those that may have a value the first 200.
found(text) := union({shaped(text), assigned(low), flagged(low), authorized(low), addressed(low), commanded(text)}) if {
	suspicious(text)
	low := lower(text)
} else := set()

# Most values are short and have nothing in them that any of the searches looks for. In a long text, each search asks
# for its own words, which is cheaper than a regular expression for all of them.
suspicious(text) if mentions(text, clue)

mentions(text, _) if count(text) > 4096

mentions(text, pattern) if regex.match(pattern, text)

# METADATA
# title: A text that this does not match holds nothing
clue := `(?i:pass|pwd|secret|token|key|cred|masterauth|authorization|identified by|"auths"|@tcp\(|://[^/\s]*@|://hooks\.slack|\s--?[pua])|A[KS]IA|eyJ|gh[pousr]_|github_pat_|gl(?:pat|rt|dt)-|xox|[sr]k_(?:live|test)_|AIza|sk-(?:ant|proj)-|npm_|pypi-|dckr_pat_|hf_|SG\.|hvs\.|dop_v1_|shpat_|dapi`

# METADATA
# title: Values that are known by their shape
# description: The documentation of AWS has keys that end in EXAMPLE, which open nothing.
shaped(text) := {{"name": "", "what": what} |
	mentions(text, `A[KS]IA|PRIVATE KEY|AGE-SECRET|eyJ|gh[pousr]_|github_pat_|gl(?:pat|rt|dt)-|xox|hooks\.slack|[sr]k_(?:live|test)_|AIza|sk-(?:ant|proj)-|npm_|pypi-|dckr_pat_|hf_|SG\.|hvs\.|dop_v1_|shpat_|dapi|"auths"`)
	some needle, [what, pattern] in shapes
	contains(text, needle)
	some match in regex.find_n(pattern, text, 20)
	not endswith(match, "EXAMPLE")
}

# METADATA
# title: A text that every match holds, what it is, and how it looks
# description: A pattern begins with letters and not with a class wherever it can, which makes it much faster.
shapes := {
	"AKIA": ["an AWS access key", `AKIA[0-9A-Z]{16}\b`],
	"ASIA": ["an AWS access key", `ASIA[0-9A-Z]{16}\b`],
	"PRIVATE KEY": ["a private key", `-----BEGIN (?:(?:RSA|EC|DSA|OPENSSH|PGP) )?PRIVATE KEY(?: BLOCK)?-----(?:\s|\\n|\\r)*[A-Za-z0-9+/]{16}`],
	"AGE-SECRET-KEY-1": ["a private key", `AGE-SECRET-KEY-1[0-9A-Z]{50}`],
	"eyJ": ["a JSON Web Token", `eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{10,}`],
	"ghp_": ["a GitHub token", `ghp_[A-Za-z0-9]{36}`],
	"gho_": ["a GitHub token", `gho_[A-Za-z0-9]{36}`],
	"ghu_": ["a GitHub token", `ghu_[A-Za-z0-9]{36}`],
	"ghs_": ["a GitHub token", `ghs_[A-Za-z0-9]{36}`],
	"ghr_": ["a GitHub token", `ghr_[A-Za-z0-9]{36}`],
	"github_pat_": ["a GitHub token", `github_pat_[A-Za-z0-9_]{40}`],
	"glpat-": ["a GitLab token", `glpat-[A-Za-z0-9_-]{20}`],
	"glrt-": ["a GitLab token", `glrt-[A-Za-z0-9_-]{20}`],
	"gldt-": ["a GitLab token", `gldt-[A-Za-z0-9_-]{20}`],
	"xox": ["a Slack token", `xox[abeprs]-[0-9A-Za-z-]{10}`],
	"://hooks.slack.com/services/T": ["a Slack webhook", `://hooks\.slack\.com/services/T[0-9A-Z]+/B[0-9A-Z]+/[0-9A-Za-z]{16}`],
	"sk_live_": ["a Stripe key", `sk_live_[0-9A-Za-z]{16}`],
	"sk_test_": ["a Stripe key", `sk_test_[0-9A-Za-z]{16}`],
	"rk_live_": ["a Stripe key", `rk_live_[0-9A-Za-z]{16}`],
	"AIza": ["a Google API key", `AIza[0-9A-Za-z_-]{35}`],
	"sk-ant-": ["an API key", `sk-ant-[0-9A-Za-z_-]{20}`],
	"sk-proj-": ["an API key", `sk-proj-[0-9A-Za-z_-]{20}`],
	"npm_": ["an npm token", `npm_[A-Za-z0-9]{36}`],
	"pypi-AgE": ["a PyPI token", `pypi-AgE[A-Za-z0-9_-]{30}`],
	"dckr_pat_": ["a Docker token", `dckr_pat_[A-Za-z0-9_-]{20}`],
	"hf_": ["a Hugging Face token", `hf_[A-Za-z0-9]{34}`],
	"SG.": ["a SendGrid key", `SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}`],
	"hvs.": ["a Vault token", `hvs\.[A-Za-z0-9_-]{24}`],
	"dop_v1_": ["a DigitalOcean token", `dop_v1_[a-f0-9]{64}`],
	"shpat_": ["a Shopify token", `shpat_[a-fA-F0-9]{32}`],
	"dapi": ["a Databricks token", `dapi[a-f0-9]{32}`],
	`"auths"`: ["a registry's password", `"auth"\s*:\s*"[A-Za-z0-9+/]{6,}={0,2}"`],
}

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
	not innocent(value)
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
		"key": `s?`,
		"cred": `(?:entials?|s)`,
	}
}

assignment_follows := `(?:[_.-]?(?:[0-9]{1,2}|value|plain|plaintext|b64|base64)){0,2}(?:[\\"\x27\]]{0,3}[ \t]*(?:=>|:=|[:=])[ \t]*\\?["\x27]?(?:[^\s"\x27$<{\[(|*!%\x60]|$)|>[^<$\s]|[ \t]+\x27)`

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
# title: The word after a flag, in lower case
flagged(low) := {{"name": groups[1], "what": described(groups[1])} |
	contains(low, "--")
	parts := split(low, "--")
	some i, part in array.slice(parts, 1, 2001)
	some groups in regex.find_all_string_submatch_n(`^([a-z][a-z0-9_.\-]*)[ \t=]+["']?([^\s"'\-\\][^\s"']*)`, part, 1)
	named(groups[1])
	not innocent(groups[2])
	not reference(groups[1], groups[2])
	not aside(last_line(parts[i]))
}

# METADATA
# title: What a header Authorization says, in lower case
authorized(low) := {{"name": "", "what": "a header Authorization"} |
	contains(low, "authorization")
	parts := split(low, "authorization")
	some i, part in array.slice(parts, 1, 2001)
	some groups in regex.find_all_string_submatch_n(
		`^[\\"']{0,2}(?:[ \t]*[:=,][ \t]*|[ \t]+)[\\"']{0,2}(?:bearer|basic|token)[ \t]+([^\s"'\\]{6,})`,
		part,
		1,
	)
	not innocent(groups[1])
	not aside(last_line(parts[i]))
}

# METADATA
# title: A line that is a comment, or that uses a variable by its name
aside(line) if regex.match(`^\s*(?:#|;|//\s|//[^/]*$|/\*|\*|--\s|<!--|rem\s)|arn:aws[a-z-]*:secretsmanager:[a-z0-9:-]*$|\$[{(]?[a-z0-9_.\-]*$`, line)

# Far enough back for any name. A longer line is taken from its middle.
last_line(text) := lines[count(lines) - 1] if {
	lines := split(substring(text, max([0, count(text) - 300]), -1), "\n")
}

# METADATA
# title: The name, where it cannot be a part of another value
# description: That is at the beginning of a line, of a member of a JSON object, or of a flag.
presentable(line, name) := name if {
	count(name) <= 80
	regex.match(`(?:^\s*(?:-\s)?[\s"'<{,\\]*(?:--|(?:export|set|env|-e)\s+)?|[{,]\s*\\?["']|\s--)(?:[a-z0-9_.][a-z0-9_.\-]*)?$|(?:^|\s)-d[a-z0-9_\-]+\.[a-z0-9_.\-]*$`, line)
} else := ""

described("") := "a credential"

described(name) := sprintf("the credential %q", [name]) if name != ""

# METADATA
# title: URLs with a password, in lower case
addressed(low) := {{"name": "", "what": "a URL with a password"} |
	contains(low, "@")
	parts := split(low, "://")
	some i, part in array.slice(parts, 1, 2001)
	some groups in regex.find_all_string_submatch_n(`^[^/?#\s:@"'<>]*:([^/?#\s@"'<>\\]+)@(?:[^s]|s[^h]|sh[^a])`, part, 1)
	not innocent(groups[1])
	not aside(last_line(parts[i]))
}

# METADATA
# title: Passwords in what programs are called with
commanded(text) := {{"name": "", "what": what} |
	mentions(text, `curl|mysql|mariadb|sshpass|redis-cli|requirepass|masterauth|IDENTIFIED BY|identified by|@tcp\(`)
	some needle, [what, pattern] in commands
	contains(text, needle)
	some groups in regex.find_all_string_submatch_n(pattern, concat("\n", ["", text]), 20)
	not innocent(lower(groups[1]))
}

# METADATA
# title: A text that every match holds, what it is, and how it looks
commands := {
	"curl ": ["a password for curl", `curl[^\n|;&]*?\s(?:-u|--user)[ =]?["']?[^\s:"'$]+:([^\s"']+)`],
	"mysql": ["a password for mysql", `mysql[a-z]*\s(?:[^\n|;&]*?\s)?-p["']?([^\s"'-][^\s"']*)`],
	"mariadb": ["a password for mariadb", `mariadb[a-z-]*\s(?:[^\n|;&]*?\s)?-p["']?([^\s"'-][^\s"']*)`],
	"sshpass ": ["a password for sshpass", `sshpass\s+-p\s*["']?([^\s"']+)`],
	"redis-cli ": ["a password for redis-cli", `redis-cli\s(?:[^\n|;&]*?\s)?-a\s*["']?([^\s"']+)`],
	"requirepass ": ["a password for Redis", `\nrequirepass[ \t]+["']?([^\s"']+)`],
	"masterauth ": ["a password for Redis", `\nmasterauth[ \t]+["']?([^\s"']+)`],
	"IDENTIFIED BY ": ["a password in SQL", `IDENTIFIED BY ['"]([^'"\s]+)`],
	"identified by ": ["a password in SQL", `identified by ['"]([^'"\s]+)`],
	"@tcp(": ["an address with a password", `[^\s:/@"'$]+:([^\s@"']+)@tcp\(`],
}
