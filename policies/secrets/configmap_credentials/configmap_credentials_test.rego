package taffrail.secrets.configmap_credentials_test

import data.taffrail.secrets.configmap_credentials
import future.keywords.not

# Go finds the credentials: these are what it hands over.
hit(name, what) := {"name": name, "what": what, "named": false, "likely": false}

named := {"name": "x", "what": "a credential", "named": true, "likely": false}

place(name, holds) := {"container": "", "sort": "text", "name": name, "field": sprintf("%q", [name]), "holds": holds}

review(found, plain, parameters) := {
	"credentials": {"found": found, "plain": plain},
	"parameters": object.union({"allowedNames": [], "extraNames": []}, parameters),
}

keys contains finding.key if some finding in configmap_credentials.deny

modes contains object.get(finding, "at_most", "enforce") if some finding in configmap_credentials.deny

test_a_named_key if {
	keys == {"data[db-password]"} with input as review({"data[db-password]": place("db-password", [named])}, {}, {})
}

test_one_finding_a_name if {
	found := {"data[f]": place("f", [hit("a.password", "the credential \"a.password\""), hit("b.password", "the credential \"b.password\"")])}
	keys == {`data[f] holds the credential "a.password"`, `data[f] holds the credential "b.password"`} with input as review(found, {}, {})
	keys == {`data[f] holds the credential "b.password"`} with input as review(found, {}, {"allowedNames": ["a.*"]})
	keys == set() with input as review(found, {}, {"allowedNames": ["f"]})
}

test_what_is_only_likely_never_denies if {
	likely := object.union(named, {"likely": true})
	modes == {"warn"} with input as review({"data[k]": place("k", [likely])}, {}, {})
	modes == {"warn"} with input as review({"data[k]": place("k", [object.union(likely, {"named": false})])}, {}, {})
	modes == {"enforce"} with input as review({"data[k]": place("k", [named])}, {}, {})
}

test_extra_names if {
	plain := {"data[DOOR-PIN]": {"name": "DOOR-PIN"}}
	keys == set() with input as review({}, plain, {})
	keys == {"data[DOOR-PIN]"} with input as review({}, plain, {"extraNames": ["*-pin"]})
	keys == set() with input as review({}, plain, {"extraNames": ["*-pin"], "allowedNames": ["door-*"]})
}

test_an_extra_name_is_one_finding if {
	found := {"data[DOOR-PIN]": place("DOOR-PIN", [hit("", "an AWS access key")])}
	plain := {"data[DOOR-PIN]": {"name": "DOOR-PIN"}}
	keys == {"data[DOOR-PIN]"} with input as review(found, plain, {"extraNames": ["*-pin"]})
}

test_nothing_to_judge if count(configmap_credentials.deny) == 0 with input as review({}, {}, {})
