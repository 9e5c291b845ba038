package taffrail.secrets.configmap_credentials_test

import data.taffrail.secrets.configmap_credentials
import future.keywords.not

review(object_, parameters) := {
	"object": object_,
	"parameters": {"configmap-credentials": object.union({"allowedNames": [], "extraNames": []}, parameters)},
}

data_(entries) := review({"data": entries}, {})

binary(entries) := review({"binaryData": entries}, {})

keys contains finding.key if some finding in configmap_credentials.deny

test_a_named_key_is_one_finding if {
	value := "only-an-example password=only-an-example AKIAQWERTYUIOPASDFGH"
	keys == {"data[db-password]"} with input as data_({"db-password": value, "other": "x"})
}

test_a_file_under_a_named_key_is_searched if {
	keys == set() with input as data_({"credentials": "[default]\nregion = ap-northeast-2\n"})
	keys == {`data[credentials] holds the credential "password"`} with input as data_({"credentials": "user=a\npassword=b1\n"})
}

test_one_finding_a_name if {
	keys == {`data[f] holds the credential "a.password"`, `data[f] holds the credential "b.password"`} with input as data_({"f": concat("\n", ["a.password=x1", "a.password=x2", "b.password=x1"])})
}

test_binary_data if {
	keys == {"binaryData[password]"} with input as binary({"password": base64.encode("only-an-example")})
	keys == {"binaryData[f] holds an AWS access key"} with input as binary({"f": base64.encode("\u0000 AKIAQWERTYUIOPASDFGH \u0001")})
	keys == {"binaryData[f] holds a credential"} with input as binary({"f": "%%% password=only-an-example"})
	keys == set() with input as binary({"f": base64.encode("\u0000\u0001")})
}

test_both_fields if {
	keys == {"data[token]", "binaryData[token]"} with input as review(
		{"data": {"token": "only-an-example"}, "binaryData": {"token": base64.encode("only-an-example")}},
		{},
	)
}

test_allowed_names[key] if {
	some key, value in {
		"demo-password": "only-an-example",
		"demo.key": "AKIAQWERTYUIOPASDFGH",
		"app.properties": "demo.password=only-an-example",
	}
	count(configmap_credentials.deny) == 0 with input as review({"data": {key: value}}, {"allowedNames": ["demo*"]})
	count(configmap_credentials.deny) == 1 with input as data_({key: value})
}

test_extra_names if {
	request := {"data": {"DOOR-PIN": "1234", "door-pin-file": "/run/x"}}
	keys == set() with input as review(request, {})
	keys == {"data[DOOR-PIN]"} with input as review(request, {"extraNames": ["*-pin"]})
}

test_nothing_to_judge[name] if {
	some name, object_ in {
		"nothing": {},
		"nulls": {"data": null, "binaryData": null},
		"texts": {"data": "password=x1", "binaryData": "password=x1"},
		"lists": {"data": ["password=x1"], "binaryData": ["password=x1"]},
		"null values": {"data": {"password": null}, "binaryData": {"password": null}},
	}
	count(configmap_credentials.deny) == 0 with input as review(object_, {})
}
