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
# description: As a pattern, the text that every match of a shape holds matches itself, if not only that.
clue := concat("|", array.concat([words_of_interest], [needle | some needle, _ in shapes]))

words_of_interest := `(?i:pass|pwd|secret|token|key|cred|masterauth|authorization|identified by|@tcp\(|://[^/\s]*@|\s--?[pua])`

# METADATA
# title: A line that is a comment, or that uses a variable by its name
aside(line) if regex.match(`^\s*(?:#|;|//\s|//[^/]*$|/\*|\*|--\s|<!--|rem\s)|arn:aws[a-z-]*:secretsmanager:[a-z0-9:-]*$|\$[{(]?[a-z0-9_.\-]*$`, line)

# Far enough back for any name. A longer line is taken from its middle.
last_line(text) := lines[count(lines) - 1] if {
	lines := split(substring(text, max([0, count(text) - 300]), -1), "\n")
}

described("") := "a credential"

described(name) := sprintf("the credential %q", [name]) if name != ""
