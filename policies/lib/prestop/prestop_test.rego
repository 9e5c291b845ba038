package taffrail.lib.prestop_test

import data.taffrail.lib.prestop
import future.keywords.not

exec(command) := {"exec": {"command": command}}

shell(script) := exec(["/bin/sh", "-c", script])

test_waits[name] if {
	some name, hook in {
		"the sleep action": {"sleep": {"seconds": 1}},
		"a long sleep action": {"sleep": {"seconds": 3600}},
		"an HTTP call": {"httpGet": {"path": "/drain", "port": 8080}},
		"the chapter's": exec(["/bin/sh", "-c", "sleep 2"]),
		"a unit": shell("sleep 2s"),
		"half a second": shell("sleep 0.5"),
		"ten": shell("sleep 10"),
		"ten minutes": shell("sleep 10m"),
		"no shell": exec(["sleep", "5"]),
		"a path": exec(["/bin/sleep", "5"]),
		"a path in a shell": shell("/usr/bin/sleep 5"),
		"bash": exec(["bash", "-lc", "sleep 5"]),
		"two switches": exec(["sh", "-e", "-c", "sleep 5"]),
		"last of several": shell("echo draining; nginx -s quit; sleep 5"),
		"first of several": shell("sleep 5 && nginx -s quit"),
		"on its own line": shell("echo draining\nsleep 5\n"),
		"a loop": shell("nginx -s quit; while killall -0 nginx; do sleep 1; done"),
		"a script": exec(["/drain.sh"]),
		"a script in a shell": exec(["/bin/sh", "/drain.sh"]),
		"a script, then true": shell("/opt/drain;/bin/true"),
		"a word that begins like one": exec(["truelight"]),
		"busybox": exec(["busybox", "sleep", "5"]),
		"env": exec(["/usr/bin/env", "bash", "-c", "sleep 5"]),
		"nohup in the foreground": exec(["nohup", "sleep", "5"]),
		"another in the background": shell("drain & sleep 5"),
		"waited for": shell("sleep 5 & wait"),
		"a pid that is waited for": shell("sleep 5 &\nwait $!"),
		"silent": shell("sleep 5 >/dev/null 2>&1"),
		"all of it silent": exec(["bash", "-c", "sleep 5 &>/dev/null"]),
		"a branch": shell("if [ -f /drain ]; then sleep 5; fi"),
		"a number of times": shell("for i in 1 2 3; do sleep 1; done"),
		"a loop that does nothing": shell("while kill -0 1; do :; done"),
		"a group": shell("{ echo bye; sleep 5; }"),
		"a subshell": shell("(echo bye; sleep 5)"),
		"after what may exit": shell("drained && exit 0; sleep 5"),
		"a variable": shell("sleep $DELAY"),
		"another variable": shell("sleep \"${DELAY:-5}\""),
		"for ever": exec(["sleep", "infinity"]),
		"killall that waits": shell("killall -w nginx"),
		"setsid that waits": shell("setsid --wait /drain.sh"),
		"a server's own way": exec(["rabbitmqctl", "stop_app"]),
		"curl and then a wait": shell("curl -s localhost/drain; sleep 5"),
	}
	prestop.waits(hook)
}

test_does_not_wait[name] if {
	some name, hook in {
		"null": null,
		"nothing": {},
		"text": "sleep 5",
		"a list": ["sleep", "5"],
		"sleep of nothing": {"sleep": null},
		"sleep of no seconds": {"sleep": {}},
		"sleep of zero": {"sleep": {"seconds": 0}},
		"sleep of less": {"sleep": {"seconds": -5}},
		"sleep of text": {"sleep": {"seconds": "5"}},
		"HTTP null": {"httpGet": null},
		"HTTP text": {"httpGet": "/drain"},
		"TCP": {"tcpSocket": {"port": 8080}},
		"exec null": {"exec": null},
		"no command": {"exec": {}},
		"command null": exec(null),
		"command empty": exec([]),
		"command of text": exec("sleep 5"),
		"command of numbers": exec(["sleep", 5]),
		"an empty word": exec([""]),
		"true": exec(["/bin/true"]),
		"a colon": shell(":"),
		"echo": shell("echo sleep 5"),
		"sleep 0": exec(["sleep", "0"]),
		"sleep 0 in a shell": shell("sleep 0s"),
		"sleep 0.0": shell("sleep 0.0"),
		"sleep without operand": shell("sleep"),
		"only a shell": exec(["/bin/bash"]),
		"an empty script": shell(""),
		"several": shell("echo bye; true && exit 0"),
		"on two lines": shell("echo bye\n/bin/true\n"),
		"nginx": exec(["/usr/sbin/nginx", "-s", "quit"]),
		"kill": shell("kill -TERM 1"),
		"pkill": shell("pkill -TERM app"),
		"pkill by its path": exec(["/usr/bin/pkill", "-f", "app"]),
		"killall": exec(["killall", "-TERM", "nginx"]),
		"touch": shell("touch /tmp/draining"),
		"a file is removed": exec(["rm", "-f", "/tmp/ready"]),
		"nginx elsewhere": shell("nginx -c /etc/n.conf -s quit"),
		"Apache": exec(["apachectl", "-k", "graceful-stop"]),
		"a branch of such": shell("if [ -f /run/x.pid ]; then kill $(cat /run/x.pid); fi"),
		"one or the other": shell("kill 1 || true"),
		"with sudo and a variable": shell("LEVEL=1 sudo kill 1"),
		"in the background": shell("sleep 5 &"),
		"a script in the background": shell("/drain.sh >/dev/null 2>&1 &"),
		"nohup in the background": shell("nohup sleep 5 &"),
		"both in the background": shell("sleep 5 && nginx -s quit &"),
		"a group in the background": shell("(sleep 5; nginx -s quit) &"),
		"braces in the background": shell("{ sleep 5; kill 1; } & echo $!"),
		"a loop in the background": shell("while true; do sleep 1; done &"),
		"in the background, disowned": shell("sleep 5 & disown"),
		"setsid": exec(["setsid", "sleep", "5"]),
		"after exit": shell("exit 0; sleep 5"),
		"after exec": shell("exec nginx -s quit; sleep 5"),
		"split after -c": exec(["/bin/sh", "-c", "sleep", "10"]),
		"bash split after -c": exec(["bash", "-ec", "sleep", "10"]),
		"nothing after -c": exec(["sh", "-c"]),
		"a shell without -c": exec(["sh", "sleep 10"]),
		"a shell that reads sleep": exec(["/bin/sh", "sleep", "10"]),
		"one word": exec(["sleep 10"]),
		"a whole line": exec(["/bin/sh -c 'sleep 10'"]),
		"a shell's & without a shell": exec(["sleep", "10", "&"]),
		"milliseconds": exec(["sleep", "500ms"]),
		"a word for the unit": shell("sleep 5 seconds"),
		"less than nothing": shell("sleep -5"),
		"curl": shell("curl -s localhost/drain"),
		"wget": exec(["wget", "-qO-", "http://localhost/drain"]),
	}
	not prestop.waits(hook)
}

test_requests[name] if {
	some name, hook in {
		"curl": exec(["curl", "-X", "POST", "http://localhost:9901/healthcheck/fail"]),
		"in a shell": shell("curl -s localhost/drain || true"),
		"wget": shell("/usr/bin/wget -qO- localhost/drain; echo done"),
	}
	prestop.requests(hook)
}

test_no_requests[name] if {
	some name, hook in {
		"null": null,
		"an HTTP call of the kubelet": {"httpGet": {"path": "/drain", "port": 8080}},
		"curl and then a wait": shell("curl -s localhost/drain; sleep 5"),
		"in the background": shell("curl -s localhost/drain &"),
		"kill": shell("kill 1"),
	}
	not prestop.requests(hook)
}
