# METADATA
# title: preStop hooks
# description: What a container's lifecycle.preStop does to the time until SIGTERM.
package taffrail.lib.prestop

import future.keywords.not

# METADATA
# title: The hook holds SIGTERM back
# description: >-
#   Some command can be any program and is taken to wait, except for those known to return at once. An httpGet is taken
#   to wait, because the kubelet waits for its answer. tcpSocket does nothing in a hook.
waits(hook) if {
	is_number(hook.sleep.seconds)
	hook.sleep.seconds >= 1
}

waits(hook) if {
	words := hook.exec.command
	is_array(words)
	words[0]
	every word in words {
		is_string(word)
	}
	not regex.match(at_once, concat(" ", words))
}

waits(hook) if is_object(hook.httpGet)

# METADATA
# title: Commands that return at once
# description: Nothing but echo, kill, nginx -s, sleep 0 and the like, one after the other, in a shell or without.
at_once := sprintf(
	`^(?:%s(?:ba|da|a|k|z)?sh(?:\s+-\S+)*)?\s*(?:%s)?(?:\s*[;&|\n]+\s*(?:%s)?)*\s*$`,
	[folder, quick, quick],
)

folder := `(?:[^\s;&|]*/)?`

quick := sprintf(
	`%s(?:(?:true|false|:|echo|printf|exit|kill|nginx\s+-s)(?:\s[^;&|\n]*)?|sleep(?:\s+0*\.?0*[smhd]?)?)`,
	[folder],
)
