# METADATA
# title: Credentials
# description: >-
#   Helpers that the policies about credentials share. Credentials are found in Go, see webhook/credentials, and are in
#   input.credentials.
package taffrail.lib.credentials

# METADATA
# title: A pattern, in lower case, matches the name in any case
# description: >-
#   Only for names of an ordinary length: the name of an env entry can be of any length, and the time to match a pattern
#   with several asterisks grows with its square.
listed(name, patterns) if {
	is_string(name)
	count(name) <= 1024
	low := lower(name)
	some pattern in patterns
	glob.match(pattern, null, low)
}

# METADATA
# title: The strictest mode for a match
# description: What is only likely to be a credential is never denied.
ceiling(hit) := {"at_most": "warn"} if {
	hit.likely
} else := {}
