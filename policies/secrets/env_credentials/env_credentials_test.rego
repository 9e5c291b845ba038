package taffrail.secrets.env_credentials_test

import data.taffrail.secrets.env_credentials
import future.keywords.not

path := "spec.containers[0].env[0].value"

word := "spec.containers[0].args[1]"

# Go finds the credentials: these are what it hands over.
hit(name, what) := {"name": name, "what": what, "named": false, "likely": false}

env(name, holds) := {"container": "web", "sort": "env", "name": name, "field": sprintf("%q", [name]), "holds": holds}

args(holds) := {"container": "web", "sort": "word", "name": "", "field": "args", "holds": holds}

review(found, fields, parameters) := {
	"credentials": object.union({"found": found, "plain": {}, "fromConfigMap": {}}, fields),
	"parameters": object.union({"allowedNames": [], "extraNames": []}, parameters),
}

messages contains finding.msg if some finding in env_credentials.deny

keys contains object.get(finding, "key", finding.path) if some finding in env_credentials.deny

modes contains object.get(finding, "at_most", "enforce") if some finding in env_credentials.deny

test_one_finding_for_a_value_of_many if {
	several := [hit("", "an AWS access key"), hit("password", "the credential \"password\""), hit("", "a URL with a password")]
	messages == {`"DB" holds a URL with a password as a literal value`} with input as review({path: env("DB", several)}, {}, {})
}

test_what_is_certain_comes_first if {
	likely := object.union(hit("", "a credential"), {"likely": true})
	modes == {"enforce"} with input as review({path: env("DB", [likely, hit("", "an AWS access key")])}, {}, {})
	modes == {"warn"} with input as review({path: env("DB", [likely])}, {}, {})
	modes == {"warn"} with input as review({word: args([likely])}, {}, {})
}

test_one_finding_for_each_in_a_word if {
	several := [hit("", "an AWS access key"), hit("password", "the credential \"password\"")]
	keys == {"command line holds an AWS access key", `command line holds the credential "password"`} with input as review({word: args(several)}, {}, {})
}

test_allowed_names if {
	demo := {"allowedNames": ["demo_*"]}
	found := {path: env("DEMO_PASSWORD", [hit("demo_password", "a credential")])}
	count(env_credentials.deny) == 0 with input as review(found, {}, demo)
	count(env_credentials.deny) == 1 with input as review(found, {}, {})
	inside := {path: env("OPTS", [hit("demo_password", "the credential \"demo_password\"")])}
	count(env_credentials.deny) == 0 with input as review(inside, {}, demo)
	said := {word: args([hit("demo_password", "the credential \"demo_password\"")])}
	count(env_credentials.deny) == 0 with input as review(said, {}, demo)
	count(env_credentials.deny) == 1 with input as review(said, {}, {})
}

test_extra_names if {
	plain := {
		path: {"container": "web", "sort": "env", "name": "DOOR_PIN", "field": `"DOOR_PIN"`},
		word: {"container": "web", "sort": "word", "name": "door-pin", "field": "args"},
	}
	found := {path: env("DOOR_PIN", [hit("", "an AWS access key")])}
	keys == {path} with input as review(found, {"plain": plain}, {})
	messages == {
		`"DOOR_PIN" holds a credential as a literal value`,
		`args holds the credential "door-pin" as a literal value`,
	} with input as review(found, {"plain": plain}, {"extraNames": ["*?pin"]})
	keys == set() with input as review(found, {"plain": plain}, {"extraNames": ["*?pin"], "allowedNames": ["*"]})
}

from(name, name_is, key, key_is) := {"p": {"container": "web", "name": name, "nameIsCredential": name_is, "key": key, "keyIsCredential": key_is}}

test_from_a_config_map if {
	modes == {"warn"} with input as review({}, {"fromConfigMap": from("PASSWORD", true, "password", true)}, {})
	modes == set() with input as review({}, {"fromConfigMap": from("PASSWORD", true, "url", false)}, {})
	modes == set() with input as review({}, {"fromConfigMap": from("URL", false, "password", true)}, {})
	modes == {"warn"} with input as review({}, {"fromConfigMap": from("PIN", false, "pin", false)}, {"extraNames": ["pin"]})
	modes == set() with input as review({}, {"fromConfigMap": from("PASSWORD", true, "password", true)}, {"allowedNames": ["password"]})
}

test_nothing_to_judge if count(env_credentials.deny) == 0 with input as review({}, {}, {})
