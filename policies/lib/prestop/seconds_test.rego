package taffrail.lib.prestop_test

import data.taffrail.lib.prestop
import future.keywords.not

test_seconds_of_a_script[text] if {
	some text, expected in {
		"sleep 2": 2,
		"sleep 2s": 2,
		"sleep 2m": 120,
		"sleep 1.5h": 5400,
		"sleep 1d": 86400,
		"sleep 0.5": 0.5,
		"sleep .5": 0.5,
		"sleep 5.": 5,
		"sleep 05": 5,
		"sleep 0": 0,
		"sleep 1m 30s": 90,
		"sleep \"5\"": 5,
		"  sleep   5  ": 5,
		"/bin/sleep 5": 5,
		"busybox sleep 5": 5,
		"exec sleep 5": 5,
		"x; sleep 5": 5,
		"sleep 5; exit 0": 5,
		"sleep 25 && nginx -s quit": 25,
		"sleep 5; nginx -s quit; sleep 10": 15,
		"sleep 0.1; sleep 0.2": 0.3,
		"echo draining\nsleep 5\n": 5,
		"sleep 5 \\\n10": 15,
		"nginx -s quit >/dev/null 2>&1; sleep 5 2>&1": 5,
		"kill -QUIT $(cat /run/nginx.pid); sleep 10": 10,
		"nginx -s quit || true; sleep 9": 9,
		"sleep ${DELAY}; sleep 4": 4,
		"drain & sleep 7": 7,
		"sleep 100 & sleep 3": 3,
		"drain && sleep 100 & sleep 3": 3,
		"sleep 5 # not sleep 100; sleep 100\nsleep 1": 6,
		"echo wait for clients; sleep 8": 8,
		"echo '; sleep 100'; sleep 1": 1,
		"echo \"say \\\"a; sleep 100\\\"\"; sleep 1": 1,
		"# don't drop requests\nsleep 6\n# it's done": 6,
	}
	prestop.seconds(shell(text)) == expected
}

test_nothing_is_known_of_a_script[text] if {
	some text in [
		"",
		"/drain.sh",
		"sleep",
		"sleep infinity",
		"sleep ${DELAY}",
		"sleep $((60))",
		"sleep -5",
		"sleep 5x",
		"sleep 1.2.3",
		"sleep 99999999999999999999",
		"sleepy 5",
		"echo sleep 5",
		"echo '\nsleep 5\n'",
		"# sleep 5",
		"timeout 5 sleep 100",
		"drain || sleep 100",
		"[ -f /drain ] && sleep 100",
		"test -f /drain && sleep 100",
		"sleep 100 & wait",
		"drain && sleep 100 &",
		"exit 0; sleep 100",
		"(sleep 100)",
		"f() { sleep 100; }; f",
		"if drain; then sleep 100; fi; sleep 1",
		"nginx -s quit; while killall -0 nginx; do sleep 1; done",
		"until drained; do\nsleep 1\ndone",
		"cat <<END\nsleep 100\nEND",
		"echo 'open; sleep 100",
	]
	not prestop.seconds(shell(text))
}

test_seconds_of_a_hook[name] if {
	some name, about in {
		"the sleep action": {"hook": {"sleep": {"seconds": 7}}, "seconds": 7},
		"no shell": {"hook": exec(["/bin/sleep", "5"]), "seconds": 5},
		"bash": {"hook": exec(["/usr/bin/bash", "-e", "-lc", "sleep 5"]), "seconds": 5},
		"more than the script": {"hook": exec(["sh", "-c", "sleep $0; sleep 2", "100"]), "seconds": 2},
		"the action before an exec": {"hook": {"sleep": {"seconds": 7}, "exec": {"command": ["sleep", "5"]}}, "seconds": 7},
	}
	prestop.seconds(about.hook) == about.seconds
}

test_nothing_is_known_of_a_hook[name] if {
	some name, hook in {
		"null": null,
		"nothing": {},
		"text": "sleep 5",
		"a list": ["sleep", "5"],
		"an HTTP call": {"httpGet": {"path": "/drain", "port": 8080}},
		"TCP": {"tcpSocket": {"port": 8080}},
		"sleep of text": {"sleep": {"seconds": "5"}},
		"sleep of nothing": {"sleep": null},
		"no command": {"exec": {}},
		"command null": exec(null),
		"command empty": exec([]),
		"command of text": exec("sleep 5"),
		"a number in the command": exec(["sleep", 5]),
		"a shell alone": exec(["/bin/sh"]),
		"a shell without a script": exec(["/bin/sh", "-c"]),
		"a script file": exec(["/bin/sh", "/drain.sh", "sleep 5"]),
		"no shell to split": exec(["echo", "x; sleep 100"]),
	}
	not prestop.seconds(hook)
}

test_endless[name] if {
	some name, hook in {
		"infinity": exec(["sleep", "infinity"]),
		"inf": shell("sleep inf"),
		"after something else": shell("nginx -s quit; sleep infinity"),
		"exec": shell("exec sleep infinity"),
		"more seconds than there will be": shell("sleep 9999999999999"),
		"tail": exec(["tail", "-f", "/dev/null"]),
		"tail with a number": shell("tail -n0 -F /var/log/drain"),
		"while true": shell("while true; do sleep 1; done"),
		"while colon": shell("while :\ndo sleep 1\ndone"),
		"while one": shell("while [ 1 ]; do sleep 1; done"),
		"while one is true": shell("while [[ true ]]; do sleep 1; done"),
		"while one, as a number": shell("while ((1)); do sleep 1; done"),
		"while it sleeps": shell("while sleep 5; do date; done"),
		"for without an end": shell("for ((;;)); do sleep 1; done"),
		"until false": shell("until false; do sleep 1; done"),
	}
	prestop.endless(hook)
}

test_it_ends[name] if {
	some name, hook in {
		"null": null,
		"the sleep action": {"sleep": {"seconds": 3600}},
		"an hour": shell("sleep 1h"),
		"in the background": shell("sleep infinity &"),
		"a loop in the background": shell("while true; do sleep 1; done &"),
		"while a variable": shell("while [ $BUSY ]; do sleep 1; done"),
		"while it sleeps, with a way out": shell("while sleep 5; do drained && break; done"),
		"for with an end": shell("for ((i=0; i<5; i++)); do sleep 1; done"),
		"a way out": shell("while true; do drained && break; sleep 1; done"),
		"another way out": shell("while true; do drained && exit 0; sleep 1; done"),
		"until something": shell("while killall -0 nginx; do sleep 1; done"),
		"in a branch": shell("[ -f /drain ] && sleep infinity"),
		"with a limit": shell("timeout 5 sleep infinity"),
		"tail of a file": shell("tail -n 5 /var/log/drain"),
		"a word": shell("echo sleep infinity"),
		"tail, until a process ends": exec(["tail", "--pid=1", "-f", "/dev/null"]),
		"tail, until a line comes": shell("tail -f /var/log/drain | grep -m1 done"),
		"a loop that is killed": shell("while true; do date; sleep 1; done & P=$!; /drain; kill $P; wait"),
		"a loop until something fails": shell("set -e; while true; do pgrep nginx; sleep 1; done"),
		"a way out on its own line": shell("while true; do\n  if drained; then\n    exit 0\n  fi\n  sleep 1\ndone"),
	}
	not prestop.endless(hook)
}
