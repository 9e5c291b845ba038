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
	}
	not prestop.waits(hook)
}
