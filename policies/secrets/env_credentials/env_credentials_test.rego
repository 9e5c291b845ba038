package taffrail.secrets.env_credentials_test

import data.taffrail.secrets.env_credentials
import future.keywords.not

path := "spec.containers[0]"

review(spec, parameters) := {
	"containers": {path: {"name": "web", "path": path, "spec": spec}},
	"parameters": {"env-credentials": object.union({"allowedNames": [], "extraNames": []}, parameters)},
}

env(name, value) := review({"env": [{"name": name, "value": value}]}, {})

line(command, args) := review({"command": command, "args": args}, {})

paths contains finding.path if some finding in env_credentials.deny

messages contains finding.msg if some finding in env_credentials.deny

keys contains finding.key if some finding in env_credentials.deny

test_one_finding_for_a_value_of_many if {
	value := "postgres://shop:only-an-example@db/shop?password=only-an-example AKIAQWERTYUIOPASDFGH"
	count(env_credentials.deny) == 1 with input as env("DB_PASSWORD", value)
	count(env_credentials.deny) == 1 with input as env("DB", value)
}

test_the_second_of_two_words if {
	paths == {"spec.containers[0].args[1]"} with input as line([], ["--password", "only-an-example"])
	paths == {"spec.containers[0].args[0]"} with input as line(["server", "--password"], ["only-an-example"])
	paths == {"spec.containers[0].args[1]"} with input as line([], ["-token", "only-an-example"])
}

test_words_that_follow_no_flag[name] if {
	some name, args in {
		"another flag": ["--password", "--verbose"],
		"nothing": ["--password"],
		"a reference": ["--password", "$(PASSWORD)"],
		"a file": ["--password", "/run/secrets/db"],
		"a flag with a value": ["--secret-name=x", "only-an-example"],
		"a word": ["password", "only-an-example"],
	}
	count(env_credentials.deny) == 0 with input as line([], args)
}

test_the_word_that_completes_it if {
	request := line(["mysql"], ["-u", "root", "-ponly-an-example", "-h", "db"])
	paths == {"spec.containers[0].args[2]"} with input as request
	messages == {"args holds a password for mysql as a literal value"} with input as request
}

# Among thousands of words, and where the program stands too far before to tell which word completes it.
test_the_word_that_completes_it_in_a_long_line if {
	filler := [word | some i in numbers.range(1, 450); word := sprintf("w%d", [i])]
	paths == {"spec.containers[0].args[453]"} with input as line([], array.concat(filler, ["mysql", "-u", "root", "-ponly-an-example"]))
	paths == {"spec.containers[0].args[452]"} with input as line([], array.concat(array.concat(["mysql"], filler), ["-ponly-an-example", "db"]))
}

test_a_key_that_moves_with_its_word if {
	before := keys with input as line([], ["--password=only-an-example"])
	after := keys with input as line([], ["--verbose", "--password=another-example"])
	before == after
	before == {`command line holds the credential "password"`}
}

test_the_name_after_one_hyphen_is_not_told if {
	messages == {"args holds a credential as a literal value"} with input as line([], ["-psecret-token", "x1"])
}

test_allowed_names[name] if {
	some name, request in {
		"env": {"env": [{"name": "DEMO_PASSWORD", "value": "only-an-example"}]},
		"env with another credential": {"env": [{"name": "DEMO_PASSWORD", "value": "AKIAQWERTYUIOPASDFGH"}]},
		"a flag": {"args": ["--demo_password=only-an-example"]},
		"a flag before a word": {"args": ["--demo_password", "only-an-example"]},
		"a ConfigMap": {"env": [{"name": "DEMO_PASSWORD", "valueFrom": {"configMapKeyRef": {"key": "db-password"}}}]},
	}
	count(env_credentials.deny) == 0 with input as review(request, {"allowedNames": ["demo_*"]})
	count(env_credentials.deny) > 0 with input as review(request, {})
}

test_extra_names if {
	request := {"env": [{"name": "DOOR_PIN", "value": "only-an-example"}], "args": ["--door-pin", "only-an-example"]}
	count(env_credentials.deny) == 0 with input as review(request, {})
	count(env_credentials.deny) == 2 with input as review(request, {"extraNames": ["*?pin"]})
	count(env_credentials.deny) == 0 with input as review(request, {"extraNames": ["*?pin"], "allowedNames": ["*"]})
}

test_nothing_to_judge[name] if {
	some name, spec in {
		"nothing": {},
		"nulls": {"env": null, "command": null, "args": null},
		"empty": {"env": [], "command": [], "args": []},
		"texts": {"env": "PASSWORD=x1", "command": "x", "args": "--password=x1"},
		"odd entries": {"env": [null, 5, "text", [], {}], "args": [null, 5, false, {}]},
	}
	count(env_credentials.deny) == 0 with input as review(spec, {})
}

expanding(spec, expanded) := {
	"containers": {path: {"name": "web", "path": path, "spec": spec, "expanded": expanded}},
	"parameters": {"env-credentials": {"allowedNames": [], "extraNames": []}},
}

# Go expands them, as the kubelet does.
test_references_to_a_literal_beside_them if {
	spec := {
		"env": [{"name": "X1", "value": "only-an-example"}, {"name": "DB_PASSWORD", "value": "$(X1)"}],
		"command": ["server", "--password=$(X1)"],
		"args": ["--token", "$(X1)"],
	}
	count(env_credentials.deny) == 0 with input as expanding(spec, {})
	expanded := {"env": {"1": "only-an-example"}, "command": {"1": "--password=only-an-example"}, "args": {"1": "only-an-example"}}
	paths == {sprintf("%s.%s", [path, field]) | some field in ["env[1].value", "command[1]", "args[1]"]} with input as expanding(spec, expanded)
}
