package taffrail.secrets.plaintext_secret_test

import data.taffrail.secrets.plaintext_secret
import future.keywords.not

controller := "system:serviceaccount:external-secrets:external-secrets"

deployer := "system:serviceaccount:argocd:argocd-application-controller"

operator := "system:serviceaccount:database:operator"

person := "jane@example.com"

annotation_path := "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]"

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
	"namespace": {"name": "shop", "labels": {}},
	"object": {"type": "Opaque", "metadata": {"name": "db-config"}, "data": {"db-password": plain}},
	"parameters": parameters,
}

by(user) := object.union(request, {"user": {"name": user}})

holding(data_) := changed_object(request, object.union(
	object.remove(request.object, ["data"]),
	{"data": data_},
))

changed_object(review, object_) := object.union(object.remove(review, ["object"]), {"object": object_})

typed(type, data_) := changed_object(request, {"type": type, "data": data_})

readable(fields) := object.union({"readable": true, "data": {}, "stringData": {}}, fields)

copied(review, fields) := object.union(review, {"lastApplied": readable(fields)})

# What a controller wrote before kubectl came by: nothing to find but the annotation.
applied(fields) := copied(by(controller), fields)

unreadable := {"readable": false, "data": {}, "stringData": {}}

annotated(object_, text) := object.union(object_, {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": text}}})

giving(review, some_parameters) := object.union(review, {"parameters": some_parameters})

modes[mode] contains finding.path if {
	some finding in plaintext_secret.deny
	mode := object.get(finding, "at_most", "enforce")
}

keys contains finding.key if some finding in plaintext_secret.deny

test_person if {
	plaintext_secret.deny == {{
		"msg": `"db-password" is in plaintext: base64 is an encoding, not encryption`,
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

sops := "ENC[AES256_GCM,data:pU3KGCUwux1tEyze1iM=,iv:ey7ZHj9yH8sZcRdElNZJPJ1cNGC+MSAeaf7aoO7ouZk=,tag:f1x8KZn9r+WTJTzWVK9N+g==,type:str]"

kms := "AQICAHhC2ITPTP2nLY4dXdkliQgthSpxIoc+6AWt1YlCFno4UoYZXGefnGmU5FuKsQmAEgcJYfN95Dbd/cmdbnWvZUfPsRtCBySC3FMcK8OQfJYX615QieQBhrqopX0Rnm+2XQCrwyrzjmZ/Ai6HLUnMFckLmZt3K0/Hpv1MkUoW20cIdSsPFUS4NcDnGQl9+ocB6SMvIfKBJod4aXbr/MMn9ZMXZSdLqYKbRAb2Hw=="

vault := "vault:v1:+Ikyb/qUku3u7jxmnyvyCJTqJ+aJxmtrJi5IhrhDjzm6dv74yQxRAQ=="

test_values_that_are_harmless[name] if {
	some name, value in {
		"empty": "",
		"null": null,
		"SOPS": sops,
		"SOPS in stringData": base64.encode(sops),
		"SOPS of nothing": regex.replace(sops, `data:[^,]*`, "data:"),
		"KMS": kms,
		"KMS in stringData": base64.encode(kms),
		"Vault": base64.encode(vault),
	}
	count(plaintext_secret.deny) == 0 with input as holding({"value": value})
}

# What is public, or only a reference, is found out in Go.
test_values_that_are_public if {
	public := {"credentials": {"public": {"data": {"a": true}, "lastAppliedData": {"a": true}, "lastAppliedStringData": {"b": true}}}}
	keys == {"data[b]"} with input as object.union(holding({"a": plain, "b": plain}), public)
	copies := {"data": {"a": plain}, "stringData": {"b": "x1"}}
	keys == set() with input as object.union(applied(copies), public)
	keys == {"last-applied-configuration"} with input as object.union(applied({"stringData": {"a": "x1"}}), public)
	keys == {"last-applied-configuration"} with input as object.union(applied({"data": {"b": plain}}), public)
}

test_a_key_is_named_where_it_is_written if {
	review := object.union(holding({"a": plain, "b": plain}), {"stringData": {"b": true}})
	modes.enforce == {"data[a]", "stringData[b]"} with input as review
	keys == {"data[a]", "data[b]"} with input as review
}

argo(type, key, text) := changed_object(request, {
	"type": "Opaque",
	"metadata": {"labels": {"argocd.argoproj.io/secret-type": type}},
	"data": {key: base64.encode(text)},
})

test_what_argo_cd_wants_in_a_secret[name] if {
	some name, [type, key, text] in {
		"insecure": ["repository", "insecure", "true"],
		"LFS": ["repository", "enableLfs", "true"],
		"host keys": ["repo-creds", "insecureIgnoreHostKey", "false"],
		"basic": ["repository", "forceHttpBasicAuth", "true"],
		"Azure": ["repository", "useAzureWorkloadIdentity", "true"],
		"HTTP": ["repository", "insecureOCIForceHttp", "true"],
		"OCI": ["repository", "enableOCI", "true"],
		"depth": ["repository", "depth", "1"],
		"app": ["repository", "githubAppID", "123456"],
		"installation": ["repo-creds", "githubAppInstallationID", "12345678"],
		"GitHub": ["repo-creds", "githubAppEnterpriseBaseUrl", "https://ghe.example.com/api/v3"],
		"proxy": ["repository", "proxy", "http://proxy.example.com:3128"],
		"no proxy": ["repository", "noProxy", ".example.com,10.0.0.0/8"],
		"a template's address": ["repo-creds", "url", "https://git.example.com"],
		"write": ["repository-write", "url", "https://git.example.com/a"],
		"write template": ["repo-write-creds", "url", "https://git.example.com/a"],
		"cluster": ["cluster", "server", "https://10.0.0.1:6443"],
		"cluster's name": ["cluster", "name", "prod"],
		"cluster's project": ["cluster", "project", "prod"],
		"namespaces": ["cluster", "namespaces", "a,b"],
		"resources": ["cluster", "clusterResources", "true"],
		"shard": ["cluster", "shard", "1"],
	}
	count(plaintext_secret.deny) == 0 with input as argo(type, key, text)
}

test_what_opens_it_is_plaintext[name] if {
	some name, [type, key, text] in {
		"password": ["repository", "password", "x1"],
		"key": ["repository", "sshPrivateKey", "x1"],
		"configuration": ["cluster", "config", "{}"],
		"another kind's": ["cluster", "insecure", "true"],
		"another Secret's": ["notifications", "insecure", "true"],
		"no switch": ["repository", "insecure", "hunter2"],
		"no number": ["repository", "githubAppID", "hunter2"],
		"an address with a password": ["repository", "proxy", "http://a:b@proxy.example.com"],
	}
	count(plaintext_secret.deny) == 1 with input as argo(type, key, text)
}

test_values_that_are_plaintext[name] if {
	some name, value in {
		"text": plain,
		"an envelope inside": base64.encode(concat(" ", ["x", sops])),
		"an envelope, and more": base64.encode(concat("", [sops, "\nx"])),
		"an envelope's beginning": "ENC[AES256_GCM,",
		"a tag that is text": regex.replace(sops, `tag:[^,]*`, sprintf("tag:%s", [base64.encode("only-an-example!")])),
		"Vault's beginning": base64.encode("vault:v1:"),
		"Vault's beginning and text": base64.encode("vault:v1:only-an-example"),
		"Vault's, rotated, and text": base64.encode(concat("", ["vault:v12:", base64.encode("only-an-example-of-more-than-28-bytes")])),
		"KMS's beginning and text": "AQICAHonly0an0example",
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
	findings := plaintext_secret.deny with input as copied(
		holding({"a": base64.encode("hidden-one"), "b": "hidden-two"}),
		{"data": {"a": base64.encode("hidden-one")}, "stringData": {"b": "hidden-two"}},
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

jwt := "eyJhbGciOiJSUzI1NiIsImtpZCI6ImV4YW1wbGUifQ.eyJpc3MiOiJrdWJlcm5ldGVzL3NlcnZpY2VhY2NvdW50Iiwic3ViIjoic3lzdGVtOnNlcnZpY2VhY2NvdW50OnNob3A6Y2kifQ.--bPmkjVsMChPakApq3LPWQGlIG-IcnHJ7jbjBiPNBqSTH-I36Fhv9sOzGgpGdLm"

types := {
	"kubernetes.io/service-account-token": {
		"token": jwt,
		"namespace": "shop",
	},
	"bootstrap.kubernetes.io/token": {
		"token-id": "abcdef",
		"token-secret": "0123456789abcdef",
		"expiration": "2030-01-02T03:04:05Z",
		"usage-bootstrap-authentication": "true",
		"usage-bootstrap-signing": "false",
		"auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
		"description": "The default bootstrap token generated by 'kubeadm init'.",
	},
}

# Whether a release unpacks is found out in Go.
test_helm_releases if {
	release := typed("helm.sh/release.v1", {"release": base64.encode("H4sIAAAAAAAC")})
	keys == {"data[release]"} with input as release
	keys == {"data[release]"} with input as object.union(release, {"helmRelease": false})
	count(plaintext_secret.deny) == 0 with input as object.union(release, {"helmRelease": true})
	more := object.union(release, {"helmRelease": true, "object": {"data": {"db-password": plain}}})
	keys == {"data[db-password]"} with input as more
	keys == {"data[release]"} with input as object.union(release, {"helmRelease": true, "object": {"type": "Opaque"}})
}

encoded(texts) := {key: base64.encode(text) | some key, text in texts}

test_types_that_are_allowed[type] if {
	some type, texts in types
	count(plaintext_secret.deny) == 0 with input as typed(type, encoded(texts))
	keys == {"data[db-password]"} with input as typed(type, object.union(encoded(texts), {"db-password": plain}))
}

test_types_excuse_no_other_value[name] if {
	some type, texts in types
	some key, text in texts
	some value in [
		plain,
		text, # without base64, as no API server has it
		base64.encode(concat("", ["only-an-example ", text])),
		concat("", ["%", base64.encode(text)]),
		concat("", [base64.encode(text), "%"]),
		5,
		[base64.encode(text)],
		{"value": base64.encode(text)},
	]
	name := sprintf("%s %s %v", [type, key, value])
	keys == {sprintf("data[%s]", [key])} with input as typed(type, {key: value})
}

test_types_excuse_no_others_keys[name] if {
	some type, texts in types
	some key, text in texts
	some other_type in (object.keys(types) | {"Opaque"})
	other_type != type
	name := sprintf("%s %s as %s", [type, key, other_type])
	keys == {sprintf("data[%s]", [key])} with input as typed(other_type, {key: base64.encode(text)})
}

test_type_values_that_are_expected[name] if {
	some name, [type, key, text] in {
		"no token yet": ["kubernetes.io/service-account-token", "token", ""],
		"another usage": ["bootstrap.kubernetes.io/token", "usage-bootstrap-other", "true"],
		"an offset": ["bootstrap.kubernetes.io/token", "expiration", "2030-01-02T03:04:05.678+09:00"],
		"TTL": ["bootstrap.kubernetes.io/token", "description", "Proxy for managing TTL for the kubeadm-certs secret"],
		"groups": ["bootstrap.kubernetes.io/token", "auth-extra-groups", "system:bootstrappers:a,system:bootstrappers:b:c-1"],
	}
	count(plaintext_secret.deny) == 0 with input as typed(type, {key: base64.encode(text)})
}

test_type_values_that_are_not[name] if {
	some name, [type, key, text] in {
		"no ServiceAccount's": ["kubernetes.io/service-account-token", "token", regex.replace(jwt, `[.][^.]+[.]`, ".eyJzdWIiOiJleGFtcGxlIn0.")],
		"a token without a signature": ["kubernetes.io/service-account-token", "token", regex.replace(jwt, `[^.]+$`, "c2lnbmF0dXJl")],
		"a header that is none": ["kubernetes.io/service-account-token", "token", regex.replace(jwt, `^[^.]+`, "eyJexample")],
		"a description that goes on": ["bootstrap.kubernetes.io/token", "description", "Proxy for managing TTL only-an-example"],
		"JSON in base64": ["kubernetes.io/service-account-token", "token", "eyJwYXNzd29yZCI6ImV4YW1wbGUifQ=="],
		"more than a token": ["kubernetes.io/service-account-token", "token", concat("\n", [jwt, "only-an-example"])],
		"another namespace": ["kubernetes.io/service-account-token", "namespace", "only-an-example"],
		"a private key": ["kubernetes.io/service-account-token", "ca.crt", "-----BEGIN PRIVATE KEY-----"],
		"a long id": ["bootstrap.kubernetes.io/token", "token-id", "abcdefg"],
		"an upper-case id": ["bootstrap.kubernetes.io/token", "token-id", "ABCDEF"],
		"two lines": ["bootstrap.kubernetes.io/token", "token-id", "abcdef\nonly-an-example"],
		"a line's end": ["bootstrap.kubernetes.io/token", "token-id", "abcdef\n"],
		"a short secret": ["bootstrap.kubernetes.io/token", "token-secret", "only4example"],
		"a date": ["bootstrap.kubernetes.io/token", "expiration", "2030-01-02"],
		"digits": ["bootstrap.kubernetes.io/token", "expiration", "2030-01-02T03:04:05.1234567890Z"],
		"no boolean": ["bootstrap.kubernetes.io/token", "usage-bootstrap-signing", "yes"],
		"another description": ["bootstrap.kubernetes.io/token", "description", "only-an-example"],
		"another group": ["bootstrap.kubernetes.io/token", "auth-extra-groups", "system:masters"],
		"a group too many": ["bootstrap.kubernetes.io/token", "auth-extra-groups", "system:bootstrappers:a,only-an-example"],
		"another key": ["bootstrap.kubernetes.io/token", "bootstrap-usage", "true"],
	}
	keys == {sprintf("data[%s]", [key])} with input as typed(type, {key: base64.encode(text)})
}

test_types_that_are_not[name] if {
	some name, type in {
		"Opaque": "Opaque",
		"TLS": "kubernetes.io/tls",
		"registry": "kubernetes.io/dockerconfigjson",
		"null": null,
		"a number": 5,
		"an object": {"helm.sh/release.v1": {"release": ""}},
	}
	count(plaintext_secret.deny) == 1 with input as typed(type, {"release": base64.encode("H4sIAAAAAAAC")})
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

test_every_key_is_found if {
	count(plaintext_secret.deny) == 300 with input as holding(many(300))
	keys == {sprintf("data[%s]", [key]) | some key in object.keys(many(300))} with input as holding(many(300))
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
	changed := {key | some key in keys; endswith(key, " changed")} with input as updated(
		many(60),
		object.union(many(60), {"key-055": other}),
	)
	changed == {"data[key-055] changed"}
}

test_last_applied_is_refused_whoever_writes_it[user] if {
	some user in [person, deployer, controller, operator, "system:kube-controller-manager"]
	some finding in plaintext_secret.deny with input as copied(by(user), {"data": {"db-password": plain}})
	finding == {
		"msg": `last-applied-configuration holds "db-password" in plaintext`,
		"path": annotation_path,
		"key": "last-applied-configuration",
	}
}

test_last_applied_in_any_origin[origin] if {
	some origin in ["mutating", "validating", "manifest", "live"]
	review := object.union(applied({"stringData": {"a": "only-an-example"}}), {"origin": origin})
	modes.enforce[annotation_path] with input as review
}

test_last_applied_of_any_type if {
	review := copied(typed("bootstrap.kubernetes.io/token", {}), {"stringData": {"token-secret": "0123456789abcdef"}})
	keys == {"last-applied-configuration"} with input as review
}

test_last_applied_breaks_glass if {
	review := object.union(applied({"data": {"a": plain}}), {"user": {"groups": ["on-call"]}})
	modes == {"warn": {annotation_path}} with input as review
}

test_last_applied_names_the_keys[names] if {
	some names, data_ in {
		`"a"`: {"a": plain},
		`"a" and "b"`: {"b": plain, "a": plain},
		`"a", "b" and 1 more`: {"c": plain, "b": plain, "a": plain},
		`"a", "b" and 98 more`: object.union({"a": plain, "b": plain}, many(98)),
	}
	some finding in plaintext_secret.deny with input as applied({"data": data_})
	contains(finding.msg, sprintf("holds %s in plaintext", [names]))
}

test_last_applied_without_plaintext[name] if {
	some name, fields in {
		"nothing": {},
		"empty": {"data": {"a": ""}, "stringData": {"b": ""}},
		"encrypted": {"stringData": {"a": sops}},
		"encrypted in base64": {"data": {"a": base64.encode(vault)}},
	}
	count(plaintext_secret.deny) == 0 with input as applied(fields)
}

# Go has turned into text what was none.
test_last_applied_that_holds_no_text[text] if {
	some text in ["1e999999999", "5", "false", "map[value:only-an-example]"]
	keys == {"last-applied-configuration"} with input as applied({"data": {"": text}})
}

test_last_applied_is_read_in_go[text] if {
	some text in ["{\"data\":{\"a\":1e999999999}}", "{data", "", 5, null, {"data": {"a": plain}}]
	review := object.union(by(controller), {"object": annotated({}, text)})
	count(plaintext_secret.deny) == 0 with input as review
}

test_annotations_of_a_wrong_type[name] if {
	some name, metadata in {"null": null, "text": "x", "no annotations": {}, "null annotations": {"annotations": null}}
	review := changed_object(by(controller), {"metadata": metadata, "data": {"a": plain}})
	count(plaintext_secret.deny) == 0 with input as review
	keys == {"last-applied-configuration unreadable"} with input as object.union(review, {"lastApplied": unreadable})
}

test_unreadable_is_refused_whoever_writes_it[user] if {
	some user in [person, deployer, controller, operator, "system:kube-controller-manager"]
	review := object.union(changed_object(by(user), {"type": "Opaque"}), {"lastApplied": unreadable})
	plaintext_secret.deny == {{
		"msg": "last-applied-configuration is not a JSON object, so it may contain plaintext values",
		"path": annotation_path,
		"key": "last-applied-configuration unreadable",
	}} with input as review
}

test_unreadable_in_any_origin[origin] if {
	some origin in ["mutating", "validating", "manifest", "live"]
	review := object.union(by(controller), {"origin": origin, "lastApplied": unreadable})
	modes.enforce[annotation_path] with input as review
}

test_unreadable_breaks_glass if {
	review := object.union(by(controller), {"lastApplied": unreadable, "user": {"groups": ["on-call"]}})
	modes == {"warn": {annotation_path}} with input as review
}

test_unreadable_grows if {
	review := object.union(by(controller), {
		"operation": "UPDATE",
		"object": annotated({}, "{data"),
		"lastApplied": unreadable,
	})
	keys == {"last-applied-configuration unreadable"} with input as object.union(review, {
		"oldObject": annotated({}, "{data"),
		"oldLastApplied": unreadable,
	})
	keys == {"last-applied-configuration unreadable changed"} with input as object.union(review, {
		"oldObject": annotated({}, "data}"),
		"oldLastApplied": unreadable,
	})
	keys == {"last-applied-configuration unreadable changed"} with input as object.union(review, {"oldObject": {"type": "Opaque"}})
}

reapplied(before, now) := object.union(applied(now), {
	"operation": "UPDATE",
	"oldObject": {"type": "Opaque"},
	"oldLastApplied": readable(before),
})

test_last_applied_grows if {
	old := {"data": {"a": plain}}
	keys == {"last-applied-configuration"} with input as reapplied(old, old)
	keys == {"last-applied-configuration"} with input as reapplied({"data": {"a": plain, "b": plain}}, old)
	keys == {"last-applied-configuration changed"} with input as reapplied(old, {"data": {"a": other}})
	keys == {"last-applied-configuration changed"} with input as reapplied(old, {"data": {"a": plain, "b": plain}})
	keys == {"last-applied-configuration changed"} with input as reapplied(old, {"stringData": {"a": plain}})
	keys == {"last-applied-configuration changed"} with input as reapplied({}, old)
	keys == {"last-applied-configuration changed"} with input as object.remove(reapplied({}, old), ["oldLastApplied"])
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

# A Secret has room for more keys than anybody reads. Whatever changes about those that are not listed is noticed.
thousands := {sprintf("key-%04d", [i]): plain | some i in numbers.range(1, 1003)}

test_many_values_are_counted if {
	found := plaintext_secret.deny with input as holding(thousands)
	count(found) == 1001
	some finding in found
	finding.msg == "3 more values are in plaintext: base64 is an encoding, not encryption"
	finding.path == "data"
}

test_an_edit_of_what_is_not_listed_is_new if {
	before := {finding.key | some finding in plaintext_secret.deny with input as holding(thousands)}
	same := object.union(holding(thousands), {"oldObject": {"data": thousands}})
	before == {finding.key | some finding in plaintext_secret.deny with input as same}
	edited := object.union(holding(thousands), {"oldObject": {"data": object.union(thousands, {"key-1002": other})}})
	count({finding.key | some finding in plaintext_secret.deny with input as edited} - before) == 1
	fewer := object.union(holding(object.remove(thousands, ["key-1003"])), {"oldObject": {"data": thousands}})
	count({finding.key | some finding in plaintext_secret.deny with input as fewer} - before) == 1
}
