package taffrail.lib.credentials

import future.keywords.not

# METADATA
# title: The word after a flag, in lower case
flagged(low) := {{"name": groups[1], "what": described(groups[1])} |
	contains(low, "--")
	parts := split(low, "--")
	some i, part in array.slice(parts, 1, 2001)
	some groups in regex.find_all_string_submatch_n(`^([a-z][a-z0-9_.\-]*)[ \t=]+["']?([^\s"'\-\\][^\s"']*)`, part, 1)
	named(groups[1])
	not vacant(groups[2])
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
	not vacant(groups[1])
	not aside(last_line(parts[i]))
}

# METADATA
# title: URLs with a password, in lower case
# description: What is behind the @ of an image, sha256 or sha512, is no host.
addressed(low) := {{"name": "", "what": "a URL with a password"} |
	contains(low, "@")
	parts := split(low, "://")
	some i, part in array.slice(parts, 1, 2001)
	some groups in regex.find_all_string_submatch_n(`^[^/?#\s:@"'<>]*:([^/?#\s@"'<>\\]+)@(?:[^s]|s[^h]|sh[^a]|sha[^25]|sha2[^5]|sha25[^6]|sha5[^1]|sha51[^2])`, part, 1)
	not vacant(groups[1])
	not aside(last_line(parts[i]))
}

# METADATA
# title: Passwords in what programs are called with
commanded(text) := {{"name": "", "what": what} |
	mentions(text, `curl|mysql|mariadb|sshpass|redis-cli|requirepass|masterauth|IDENTIFIED BY|identified by|@tcp\(`)
	some needle, [what, pattern] in commands
	contains(text, needle)
	some groups in regex.find_all_string_submatch_n(pattern, concat("\n", ["", text]), 20)
	not vacant(lower(groups[1]))
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
