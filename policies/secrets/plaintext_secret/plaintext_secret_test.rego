package taffrail.secrets.plaintext_secret_test

import data.taffrail.secrets.plaintext_secret
import future.keywords.not

controller := "system:serviceaccount:external-secrets:external-secrets"

deployer := "system:serviceaccount:argocd:argocd-application-controller"

operator := "system:serviceaccount:database:operator"

person := "jane@example.com"

annotation := "kubectl.kubernetes.io/last-applied-configuration"

parameters := {
	"controllers": [controller],
	"deployers": [deployer],
	"envelopes": [
		"ENC[AES256_GCM,",
		"-----BEGIN AGE ENCRYPTED FILE-----",
		"age-encryption.org/v1",
		"-----BEGIN PGP MESSAGE-----",
		"AQICAH",
		"vault:v1:",
	],
	"breakGlassGroups": ["on-call"],
}

plain := base64.encode("only-an-example")

other := base64.encode("another-example")

request := {
	"origin": "validating",
	"operation": "CREATE",
	"user": {"name": person, "groups": ["system:authenticated"]},
	"object": {"type": "Opaque", "metadata": {"name": "db-config"}, "data": {"db-password": plain}},
	"parameters": {"plaintext-secret": parameters},
}

by(user) := object.union(request, {"user": {"name": user}})

holding(data_) := changed_object(request, object.union(
	object.remove(request.object, ["data"]),
	{"data": data_},
))

changed_object(review, object_) := object.union(object.remove(review, ["object"]), {"object": object_})

typed(type, data_) := changed_object(request, {"type": type, "data": data_})

annotated(review, text) := object.union(review, {"object": {"metadata": {"annotations": {annotation: text}}}})

# What a controller wrote before kubectl came by: nothing to find but the annotation.
applied(manifest) := annotated(by(controller), json.marshal(manifest))

giving(review, some_parameters) := object.union(review, {"parameters": {"plaintext-secret": some_parameters}})

modes[mode] contains finding.path if {
	some finding in plaintext_secret.deny
	mode := object.get(finding, "at_most", "enforce")
}

keys contains finding.key if some finding in plaintext_secret.deny

test_person if {
	plaintext_secret.deny == {{
		"msg": `"db-password" is plaintext, base64 is not encryption: use an ExternalSecret, a SealedSecret or SOPS`,
		"path": "data[db-password]",
		"key": "data[db-password]",
	}} with input as request
}

test_writers[user] if {
	some user, mode in {
		person: "enforce",
		deployer: "enforce",
		"": "enforce",
		"system:admin": "enforce",
		"system:anonymous": "enforce",
		"system:kube-controller-manager-2": "enforce",
		"ci-bot": "enforce",
		operator: "audit",
		"system:serviceaccount:kube-system:generic-garbage-collector": "audit",
		"system:kube-controller-manager": "audit",
		"system:apiserver": "audit",
		"system:node:ip-192-0-2-10.ec2.internal": "audit",
	}
	modes == {mode: {"data[db-password]"}} with input as by(user)
}

test_controllers_pass if count(plaintext_secret.deny) == 0 with input as by(controller)

test_deployers_win_over_controllers if {
	modes == {"enforce": {"data[db-password]"}} with input as giving(by(controller), {"deployers": [controller]})
}

test_lists_may_be_empty if {
	empty := {"controllers": [], "deployers": [], "breakGlassGroups": [], "envelopes": []}
	modes.audit with input as giving(by(controller), empty)
	modes.audit with input as giving(by(deployer), empty)
	modes.enforce with input as giving(request, empty)
}

test_origins[origin] if {
	some origin, mode in {"mutating": "audit", "validating": "audit", "manifest": "enforce", "live": "audit"}
	modes == {mode: {"data[db-password]"}} with input as object.union(by(operator), {"origin": origin})
}

test_a_manifest_is_a_deployers_whatever_the_user[user] if {
	some user in ["", person, controller, operator]
	modes.enforce with input as object.union(by(user), {"origin": "manifest", "user": {"groups": ["on-call"]}})
}

test_break_glass[user] if {
	some user, mode in {person: "warn", deployer: "warn", operator: "audit"}
	on_call := object.union(by(user), {"user": {"groups": ["system:authenticated", "on-call"]}})
	modes == {mode: {"data[db-password]"}} with input as on_call
}

test_values_that_are_harmless[name] if {
	some name, value in {
		"empty": "",
		"null": null,
		"SOPS": "ENC[AES256_GCM,data:ZXhhbXBsZQ==,iv:ZXhhbXBsZQ==,tag:ZXhhbXBsZQ==,type:str]",
		"SOPS in stringData": base64.encode("ENC[AES256_GCM,data:ZXhhbXBsZQ==,iv:ZXhhbXBsZQ==,tag:ZXhhbXBsZQ==,type:str]"),
		"age": base64.encode("-----BEGIN AGE ENCRYPTED FILE-----\nZXhhbXBsZQ==\n-----END AGE ENCRYPTED FILE-----\n"),
		"age binary": base64.encode("age-encryption.org/v1\n-> X25519 example"),
		"PGP": base64.encode("-----BEGIN PGP MESSAGE-----\n\nZXhhbXBsZQ==\n-----END PGP MESSAGE-----\n"),
		"KMS": "AQICAHexampleexampleexample",
		"KMS in stringData": base64.encode("AQICAHexampleexampleexample"),
		"Vault": base64.encode("vault:v1:ZXhhbXBsZQ=="),
		"short envelope": base64.encode("vault:v1:"),
	}
	count(plaintext_secret.deny) == 0 with input as holding({"value": value})
}

test_values_that_are_plaintext[name] if {
	some name, value in {
		"text": plain,
		"an envelope inside": base64.encode("x ENC[AES256_GCM,"),
		"a public key block": base64.encode("-----BEGIN PGP PUBLIC KEY BLOCK-----"),
		"not base64": "only-an-example",
		"not base64, long": concat("", ["%", base64.encode("only-an-example-that-is-longer-than-sixty-characters-in-base64")]),
		"no text": base64.encode("\u0000\u0001"),
		"other letters": base64.encode("한글 비밀"),
		"a number": 1234,
		"false": false,
		"a list": [plain],
		"an object": {"value": plain},
	}
	keys == {"data[value]"} with input as holding({"value": value})
}

test_values_are_never_told if {
	findings := plaintext_secret.deny with input as annotated(
		holding({"a": base64.encode("hidden-one"), "b": "hidden-two"}),
		json.marshal({"data": {"a": base64.encode("hidden-one")}, "stringData": {"b": "hidden-two"}}),
	)
	count(findings) == 3
	not contains(json.marshal(findings), "hidden")
	not contains(json.marshal(findings), base64.encode("hidden-one"))
}

test_no_data[name] if {
	some name, object_ in {
		"absent": {"type": "Opaque"},
		"null": {"type": "Opaque", "data": null},
		"empty": {"type": "Opaque", "data": {}},
		"text": {"type": "Opaque", "data": "text"},
		"a list": {"type": "Opaque", "data": ["text"]},
		"nothing": {},
	}
	count(plaintext_secret.deny) == 0 with input as changed_object(request, object_)
}

test_types_that_are_allowed[type] if {
	some type, data_ in {
		"kubernetes.io/service-account-token": {"token": plain, "namespace": plain, "ca.crt": plain},
		"helm.sh/release.v1": {"release": plain},
		"bootstrap.kubernetes.io/token": {
			"token-id": plain,
			"token-secret": plain,
			"expiration": plain,
			"usage-bootstrap-signing": plain,
		},
	}
	count(plaintext_secret.deny) == 0 with input as typed(type, data_)
	keys == {"data[db-password]"} with input as typed(type, object.union(data_, {"db-password": plain}))
}

test_types_that_are_not[name] if {
	some name, type in {
		"Opaque": "Opaque",
		"TLS": "kubernetes.io/tls",
		"registry": "kubernetes.io/dockerconfigjson",
		"null": null,
		"a number": 5,
	}
	count(plaintext_secret.deny) == 1 with input as typed(type, {"release": plain})
}

test_no_type if count(plaintext_secret.deny) == 1 with input as changed_object(request, {"data": {"a": plain}})

test_one_finding_per_key if {
	keys == {"data[db-password]", "data[tls.crt]"} with input as holding({
		"db-password": plain,
		"tls.crt": other,
		"empty": "",
	})
}

many(n) := {sprintf("key-%03d", [i]): plain | some i in numbers.range(1, n)}

test_findings_are_bounded if {
	count(plaintext_secret.deny) == 50 with input as holding(many(50))
	findings := plaintext_secret.deny with input as holding(many(53))
	count(findings) == 51
	some finding in findings
	finding.msg == "3 more keys are plaintext: use an ExternalSecret, a SealedSecret or SOPS"
	finding.path == "data"
}

updated(before, now) := object.union(
	changed_object(request, {"type": "Opaque", "data": now}),
	{"operation": "UPDATE", "oldObject": {"type": "Opaque", "data": before}},
)

test_another_value_is_another_violation if {
	keys == {"data[a]"} with input as updated({"a": plain}, {"a": plain})
	keys == {"data[a] changed"} with input as updated({"a": plain}, {"a": other})
	keys == {"data[b]", "data[a]"} with input as updated({"a": plain}, {"a": plain, "b": plain})
	keys == {"data[a]"} with input as updated(null, {"a": plain})
}

test_last_applied_is_refused_whoever_writes_it[user] if {
	some user in [person, deployer, controller, operator, "system:kube-controller-manager"]
	some finding in plaintext_secret.deny with input as annotated(by(user), json.marshal({"data": {"db-password": plain}}))
	finding == {
		"msg": `last-applied-configuration carries plaintext of "db-password": use an ExternalSecret, a SealedSecret or SOPS`,
		"path": "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]",
		"key": "last-applied-configuration",
	}
}

test_last_applied_in_any_origin[origin] if {
	some origin in ["mutating", "validating", "manifest", "live"]
	review := object.union(applied({"stringData": {"a": "only-an-example"}}), {"origin": origin})
	modes.enforce["metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]"] with input as review
}

test_last_applied_of_any_type if {
	review := annotated(typed("bootstrap.kubernetes.io/token", {}), json.marshal({"stringData": {"token-secret": "example"}}))
	keys == {"last-applied-configuration"} with input as review
}

test_last_applied_breaks_glass if {
	review := object.union(applied({"data": {"a": plain}}), {"user": {"groups": ["on-call"]}})
	modes == {"warn": {"metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]"}} with input as review
}

test_last_applied_names_the_keys[names] if {
	some names, data_ in {
		`"a"`: {"a": plain},
		`"a" and "b"`: {"b": plain, "a": plain},
		`"a", "b" and 1 more`: {"c": plain, "b": plain, "a": plain},
		`"a", "b" and 98 more`: object.union({"a": plain, "b": plain}, many(98)),
	}
	some finding in plaintext_secret.deny with input as applied({"data": data_})
	contains(finding.msg, sprintf("plaintext of %s: use", [names]))
}

test_last_applied_without_plaintext[name] if {
	some name, manifest in {
		"nothing": {},
		"null": null,
		"text": "data",
		"a list": [{"data": {"a": plain}}],
		"no data": {"kind": "Secret", "metadata": {}},
		"null data": {"data": null, "stringData": null},
		"data of text": {"data": "text", "stringData": ["text"]},
		"empty": {"data": {"a": ""}, "stringData": {"b": null}},
		"encrypted": {"stringData": {"a": "ENC[AES256_GCM,data:ZXhhbXBsZQ==]"}},
		"a SealedSecret's": {"kind": "SealedSecret", "spec": {"encryptedData": {"a": "AgBexample"}}},
	}
	count(plaintext_secret.deny) == 0 with input as applied(manifest)
}

test_last_applied_that_is_no_manifest[name] if {
	some name, text in {"empty": "", "no JSON": "{data", "a number": 5, "an object": {"data": {"a": plain}}, "null": null}
	count(plaintext_secret.deny) == 0 with input as annotated(by(controller), text)
}

test_annotations_of_a_wrong_type[name] if {
	some name, metadata in {"null": null, "text": "x", "no annotations": {}, "null annotations": {"annotations": null}}
	count(plaintext_secret.deny) == 0 with input as changed_object(by(controller), {"metadata": metadata, "data": {"a": plain}})
}

reapplied(before, now) := object.union(applied(now), {
	"operation": "UPDATE",
	"oldObject": {"metadata": {"annotations": {annotation: json.marshal(before)}}},
})

test_last_applied_grows if {
	old := {"data": {"a": plain}}
	more_labels := object.union(old, {"metadata": {"labels": {"a": "b"}}})
	keys == {"last-applied-configuration"} with input as reapplied(old, more_labels)
	keys == {"last-applied-configuration"} with input as reapplied({"data": {"a": plain, "b": plain}}, old)
	keys == {"last-applied-configuration changed"} with input as reapplied(old, {"data": {"a": other}})
	keys == {"last-applied-configuration changed"} with input as reapplied(old, {"data": {"a": plain, "b": plain}})
	keys == {"last-applied-configuration changed"} with input as reapplied({}, old)
	keys == set() with input as reapplied(old, {"data": {"a": ""}})
}

test_envelopes_of_ones_own if {
	reference := holding({"a": base64.encode("<path:secret/data/db#password>")})
	count(plaintext_secret.deny) == 1 with input as reference
	count(plaintext_secret.deny) == 0 with input as giving(reference, {"envelopes": ["<path:"]})
	long := "an-envelope-of-forty-characters-or-so-40"
	count(plaintext_secret.deny) == 0 with input as giving(
		holding({"a": base64.encode(concat("", [long, "=rest"]))}),
		{"envelopes": [long]},
	)
}
