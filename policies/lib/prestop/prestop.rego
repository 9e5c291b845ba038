# METADATA
# title: preStop hooks
# description: What a container's lifecycle.preStop does to the time until SIGTERM.
package taffrail.lib.prestop

import future.keywords.not

# METADATA
# title: The hook holds SIGTERM back
# description: >-
#   Any program is taken to wait, but for those that are known to return at once. An httpGet is taken to wait, because
#   the kubelet waits for its answer. tcpSocket does nothing in a hook.
waits(hook) if {
	is_number(hook.sleep.seconds)
	hook.sleep.seconds >= 1
}

# What most hooks are, [sh, -c, "sleep 5"], at little cost.
waits(hook) if {
	script := hook.exec.command[2]
	is_string(script)
	regex.match(`(?:^|[;&|/\n])\s*sleep\s+[0.]*[1-9]`, script)
}

# Any command but echo, kill, nginx -s, sleep 0 and the like, one after the other, in a shell or without.
waits(hook) if {
	command := text(hook.exec.command)
	not regex.match(
		`^(?:(?:[^\s;&|]*/)?(?:ba|da|a|k|z)?sh(?:\s+-\S+)*)?(?:[\s;&|]*(?:[^\s;&|]*/)?(?:(?:true|false|:|echo|printf|exit|kill|nginx\s+-s)(?:\s[^;&|\n]*)?|sleep(?:\s+0*\.?0*[smhd]?)?)(?:[;&|\n]|\s*$))*[\s;&|]*$`,
		command,
	)
}

waits(hook) if is_object(hook.httpGet)

# A word that is no text is left out: the API server refuses it.
text(command) := concat(" ", [word | some word in command; is_string(word)]) if command[0]
