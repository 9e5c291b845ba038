# METADATA
# title: preStop hooks
# description: How a container's lifecycle.preStop delays SIGTERM.
package taffrail.lib.prestop

import future.keywords.not

# METADATA
# title: The hook delays SIGTERM
# description: >-
#   Any program is assumed to wait, except those that are known to return at once. An httpGet is assumed to wait,
#   because the kubelet waits for the answer. tcpSocket does nothing in a hook.
waits(hook) if {
	is_number(hook.sleep.seconds)
	hook.sleep.seconds >= 1
}

# A cheap check for what most hooks are: [sh, -c, "sleep 5"].
waits(hook) if {
	hook.exec.command[1] == "-c"
	script := hook.exec.command[2]
	is_string(script)
	regex.match(`^sleep [1-9][0-9]{0,8}s?\s*(?:$|;)`, script)
}

waits(hook) if {
	some step in foreground(hook)
	not at_once(step)
	not asks(step)
}

# A loop waits until something outside it has ended, whatever its steps are.
waits(hook) if regex.match(`(?:^|[;&|(){\n])\s*(?:while|until)\s`, kept(script(words(hook))))

waits(hook) if is_object(hook.httpGet)

# METADATA
# title: The hook only sends a request
# description: Whether the server waits before it answers is unknown.
requests(hook) if {
	not waits(hook)
	some step in foreground(hook)
	asks(step)
}

# METADATA
# title: The commands that the hook runs and waits for
# description: Commands in branches and substitutions are included, because they may run.
foreground(hook) := steps if {
	text := script(words(hook))
	steps := [step |
		some commands in array.concat([kept(text)], substituted(text))
		some part in regex.split(`[;\n∧|(){}]+`, commands)
		step := command(part)
		step != ""
	]
} else := [concat(" ", words(hook))] if {
	runs(words(hook))
}

# METADATA
# title: The commands in the substitutions of a script
substituted(text) := [commands |
	unquoted := regex.replace(uncommented(text), `("(?:[^"\\]|\\.)*")|'[^']*'`, "$1")
	some [_, dollar, tick] in regex.find_all_string_submatch_n(`\$\(([^()]*)\)|\x60([^\x60]*)\x60`, unquoted, -1)
	commands := silenced(concat("", [dollar, tick]))
]

# For env, busybox and nohup, these are the words of the program that they run. A word that is not a string is left out:
# the API server rejects it.
words(hook) := array.slice(all, 1, count(all)) if {
	all := [word | some word in hook.exec.command; is_string(word)]
	regex.match(`^(?:\S*/)?(?:env|busybox|nohup)$`, all[0])
} else := [word | some word in hook.exec.command; is_string(word)]

# METADATA
# title: The words name a program that can be run
# description: >-
#   Without a shell, the whole first word is the name of the program, including any blanks. A shell without -c takes its
#   first operand for the name of a file.
runs(words) if {
	words[0] != ""
	not regex.match(`\s`, words[0])
	not regex.match(shell, words[0])
}

runs(words) if {
	regex.match(shell, words[0])
	operand := [word | some i, word in words; i > 0; not startswith(word, "-")][0]
	not regex.match(`\s|^(?:\S*/)?sleep$`, operand)
}

# METADATA
# title: The part of a script that the hook waits for
# description: >-
#   Commands in the background are left out unless the script waits for them, and so is what comes after exit or exec,
#   unless these may be in a branch. Redirections are left out too. A command whose text is not plain, such as a
#   here-document, stays as it is.
kept(text) := together if {
	together := replace(silenced(shown(text)), "&", ";")
	regex.match(`(?:^|[;\n|(){}])\s*wait\b`, together)
} else := awaited(text) if {
	compound(shown(text))
} else := regex.replace(ended, `(?s)((?:^|[;\n])\s*exec[ \t]+[^\s;\n][^;\n]*).*`, "$1") if {
	ended := regex.replace(awaited(text), `(?s)(^|[;\n])\s*exit\b.*`, "$1")
}

# METADATA
# title: A script without its background commands
awaited(text) := regex.replace(ungrouped, `[^;\n&]*&`, "") if {
	together := replace(silenced(shown(text)), "&&", "∧")
	ungrouped := regex.replace(together, `(?s)(?:\([^()]*\)|\{[^{}]*\}|(?:\bwhile|\buntil|\bfor)\s.*\bdone)\s*&`, "")
}

# METADATA
# title: A command without the keywords, programs and assignments before it
command(text) := regex.replace(
	trim_space(text),
	`^(?:(?:if|then|elif|else|fi|for\s+\w+\s+in\s[^;]*|do|done|!|exec|command|builtin|time|sudo|nohup|(?:\S*/)?env|(?:\S*/)?busybox|[A-Za-z_]\w*=\S*)(?:\s+|$))+`,
	"",
)

# METADATA
# title: A command that returns at once
at_once(step) if {
	regex.match(
		`^(?:\S*/)?(?:true|false|:|echo|printf|exit|return|p?kill|killall5|skill|touch|rm|rmdir|mkdir|cp|mv|ln|chmod|chown|cat|ls|date|id|hostname|logger|test|\[|\[\[|export|set|unset|cd|pwd|trap|umask|disown|break|continue|wait)(?:\s|$)`,
		step,
	)
}

# Programs that look something up or process text.
at_once(step) if {
	regex.match(
		`^(?:\S*/)?(?:ps|pidof|pgrep|lsof|fuser|jps|netstat|ss|e?grep|awk|sed|cut|tr|head|wc|sort|uniq|tee|seq|find|jq|basename|dirname|printenv|uname|whoami|xargs\s+(?:-\S+\s+)*kill)(?:\s|$)`,
		step,
	)
}

# Programs that make a server stop and do not wait until it has.
at_once(step) if {
	regex.match(`^(?:\S*/)?(?:(?:nginx|openresty)\s+(?:.*\s)?-s\s|(?:apache2(?:ctl)?|apachectl|httpd)\s+(?:-k\s+)?(?:graceful|stop)|pg_ctl\s(?:.*\s)?(?:-W|--no-wait)(?:\s|$))`, step)
}

# Signals to all processes of a name, and programs in a session of their own, unless a flag makes the command wait.
at_once(step) if {
	regex.match(`^(?:\S*/)?(?:killall|setsid)(?:\s|$)`, step)
	not regex.match(`\s(?:-\w*w|--wait)(?:\s|$)`, step)
}

# sleep without an operand, or with one that it rejects.
at_once(step) if {
	regex.match(`^(?:\S*/)?sleep(?:\s|$)`, step)
	not regex.match(`^\S+(?:\s+(?:\+?[0-9.]*[0-9][0-9.]*(?:e[0-9]+)?[smhd]?|inf(?:inity)?|\S*[$_]\S*))+$`, step)
}

at_once(step) if regex.match(`^(?:\S*/)?sleep(?:\s+[0.]+[smhd]?)+$`, step)

# METADATA
# title: A command that sends a request and waits only for the answer
asks(step) if regex.match(`^(?:\S*/)?(?:curl|wget)(?:\s|$)`, step)
