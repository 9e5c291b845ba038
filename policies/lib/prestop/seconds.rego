package taffrail.lib.prestop

import future.keywords.not

# METADATA
# title: The number of seconds that the hook waits at least
# description: >-
#   The seconds of the sleep action, or the sum of the sleeps in an exec that always run, one after the other. Other
#   programs take an unknown time in addition. Undefined if nothing is known: for other programs alone, for an httpGet,
#   and for scripts with branches, loops or groups.
seconds(hook) := hook.sleep.seconds if {
	is_number(hook.sleep.seconds)
} else := to_number(amount) if {
	# A cheap check for what most hooks are: [sh, -c, "sleep 5"].
	hook.exec.command[1] == "-c"
	script := hook.exec.command[2]
	is_string(script)
	amount := trim_prefix(script, "sleep ")
	regex.match(`^[0-9]{1,9}$`, amount)
} else := sum(durations) if {
	durations := [duration | some step in steps(words(hook)); duration := sleep(step)]
	count(durations) > 0
}

# METADATA
# title: The hook ends only when it is killed
endless(hook) if {
	not sleeps(hook)
	goes_on(hook)
}

goes_on(hook) if {
	some step in steps(words(hook))
	regex.match(`^(?:exec\s+)?(?:\S*/)?(?:sleep\s(?:.*\s)?(?:inf(?:inity)?|[0-9]{13,}[0-9.]*[smhd]?)(?:\s|$)|tail\s(?:.*\s)?(?:-\w*[fF]|--follow))`, step)
	not regex.match(`\s--pid\b|\|`, step)
}

goes_on(hook) if {
	text := kept(script(words(hook)))
	regex.match(`(?:^|[;\n])\s*(?:while\s+(?:true|:|sleep\s+[0-9.]+[smhd]?|\[{1,2}\s+(?:1|true)\s+\]{1,2}|\(\(\s*1\s*\)\))|until\s+false|for\s*\(\(\s*;\s*;\s*\)\))\s*[;\n]`, text)
	not regex.match(`\b(?:break|exit|return|exec)\b|\bset\s+-\w*e|\bkill\s[^;\n]*\$`, text)
}

# What most hooks are, [sh, -c, "sleep 5"], at little cost.
sleeps(hook) if {
	hook.exec.command[1] == "-c"
	script := hook.exec.command[2]
	is_string(script)
	regex.match(`^sleep [0-9]{1,9}$`, script)
}

steps(words) := sequence(script(words)) if {
	regex.match(shell, words[0])
} else := [concat(" ", words)]

shell := `(?:^|/)(?:ba|da|a|k|z)?sh$`

# The word after -c, or after combined flags such as -lc. The words after it are operands of the script.
script(words) := words[first + 1] if {
	regex.match(shell, words[0])
	first := min([i | some i, word in words; regex.match(`^-[A-Za-z]*c[A-Za-z]*$`, word)])
}

# METADATA
# title: The steps of a script that always run, one after the other
# description: >-
#   Left out are quoted text, substitutions, comments, commands that depend on || or a test, commands in the background,
#   and what comes after exit.
sequence(text) := [trim_space(step) | some step in regex.split(`[;\n∧]`, certain)] if {
	not compound(shown(text))
	unconditional := regex.replace(silenced(shown(text)), `\|\|[^;\n]*|(?:\[|\btest)\s[^;\n]*`, "")
	foreground := regex.replace(replace(unconditional, "&&", "∧"), `[^;\n&]*&`, "")
	certain := regex.replace(foreground, `(?s)(?:^|[;\n∧])\s*exit\b.*`, "")
}

# METADATA
# title: A script with nested commands
compound(text) if {
	regex.match(`[(){}\x60"']|<<|(?:^|[;&|\n])\s*(?:if|while|until|for|case|select)\s`, text)
}

# METADATA
# title: A script without quoted text, substitutions and comments
# description: A list that continues on the next line after && or | becomes one line.
shown(text) := regex.replace(plain, `(&&|\|)\s*\n`, "$1 ") if {
	unquoted := regex.replace(uncommented(text), `["']([0-9.]+[smhd]?)["']`, "$1")
	plain := regex.replace(unquoted, `\\.|'[^']*'|"(?:[^"\\]|\\.)*"|\$\([^()]*\)|\$\{[^}]*\}|\x60[^\x60]*\x60`, "_")
}

# METADATA
# title: A script without comments
# description: Comments are removed before quotes are matched, because they may contain an apostrophe, as in "don't".
uncommented(text) := regex.replace(
	replace(text, "\\\n", " "),
	`(\\.|'[^']*'|"(?:[^"\\]|\\.)*")|(^|\s)#[^\n]*`,
	"$1$2",
)

# METADATA
# title: A script without redirections
silenced(text) := replace(regex.replace(text, `[0-9]*(?:&?>{1,2}|<)&?\s*[^\s;&|]+`, ""), "|&", "|")

sleep(step) := sum(durations) if {
	operands := regex.find_all_string_submatch_n(
		`^(?:exec\s+)?(?:\S*/)?(?:busybox\s+)?sleep((?:\s+(?:[0-9]{1,12}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})[smhd]?)+)$`,
		step, 1,
	)[0][1]
	durations := [duration |
		some [_, amount, unit] in regex.find_all_string_submatch_n(`([0-9.]+)([smhd]?)`, operands, -1)
		duration := to_number(concat("", ["0", amount])) * units[unit]
	]
}

units := {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

# METADATA
# title: The time until the Pod receives SIGKILL, in seconds
default grace_period := 30

grace_period := given if {
	given := input.workload.pod.spec.terminationGracePeriodSeconds
	given != null
}
