# METADATA
# title: Credentials
# description: >-
#   What the policies about credentials have in common. Go looks for credentials, as input.credentials has it: see
#   webhook/credentials.
package taffrail.lib.credentials

# METADATA
# title: One of the patterns, in lower case, stands for the name in any case
# description: >-
#   For a name of ordinary length: nothing limits how long the name of an env entry is, and a pattern with several
#   asterisks takes as long as the square of it.
listed(name, patterns) if {
	is_string(name)
	count(name) <= 1024
	low := lower(name)
	some pattern in patterns
	glob.match(pattern, null, low)
}

# METADATA
# title: The strictest mode for a match
# description: What is only likely to be a credential never denies.
ceiling(hit) := {"at_most": "warn"} if {
	hit.likely
} else := {}
