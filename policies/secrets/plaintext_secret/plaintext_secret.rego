# METADATA
# title: Secrets are not written in plaintext
# description: >-
#   base64 is not encryption, so the manifest of a Secret must not be in Git. Users, CI and deployers (Argo CD, Flux)
#   may not write plaintext values. Secret controllers may write them, and what other ServiceAccounts and Kubernetes'
#   own components write is only recorded, because operators rotate their own certificates. Anyone may write values that
#   are empty, or that consist entirely of encrypted data (SOPS, age, PGP, AWS KMS, Vault) or of a reference (op://,
#   ${VAR}, <path:…>, vault:…#key, ARNs), and also certificates, certificate requests, public keys of SSH and PGP, DH
#   parameters, the addresses and switches of Argo CD's repositories and clusters, and, in Secrets of the matching type,
#   what looks like a service-account token, a bootstrap token or a Helm release. An annotation
#   last-applied-configuration that contains plaintext, or that cannot be read, is denied no matter who writes it.
#   taffrail check treats a manifest as if a deployer had written it. The writer of a Secret that is read from a cluster
#   is not known, so its values are only recorded. Values are checked, never shown. There is no fix.
# custom:
#   id: plaintext-secret
#   severity: critical
#   section: 3.4.2, 3.4.3
#   kinds: [Secret]
#   default_mode: enforce
#   remediation: "Apply an ExternalSecret or a SealedSecret, whose controller creates the Secret, or encrypt the manifest with SOPS: sops --encrypt --in-place secret.yaml."
#   parameters:
#     type: object
#     properties:
#       controllers:
#         type: array
#         items: {type: string, minLength: 1}
#         default:
#         - system:serviceaccount:external-secrets:external-secrets
#         - system:serviceaccount:kube-system:sealed-secrets-controller
#         - system:serviceaccount:kube-system:sealed-secrets
#         - system:serviceaccount:kube-system:secrets-store-csi-driver
#         - system:serviceaccount:cert-manager:cert-manager
#         - system:serviceaccount:cert-manager:cert-manager-webhook
#         - system:serviceaccount:vault-secrets-operator-system:vault-secrets-operator-controller-manager
#         description: User names of secret controllers, which may write any value.
#       deployers:
#         type: array
#         items: {type: string, minLength: 1}
#         default:
#         - system:serviceaccount:argocd:argocd-application-controller
#         - system:serviceaccount:flux-system:kustomize-controller
#         - system:serviceaccount:flux-system:helm-controller
#         description: >-
#           User names of ServiceAccounts that apply manifests. They are treated like people, even if controllers lists
#           them too. Leave kustomize-controller out if Flux decrypts SOPS manifests in the cluster.
#       envelopes:
#         type: array
#         items: {type: string, minLength: 4, maxLength: 40}
#         default:
#         - ENC[AES256_GCM,
#         - "-----BEGIN AGE ENCRYPTED FILE-----"
#         - age-encryption.org/v1
#         - "-----BEGIN PGP MESSAGE-----"
#         - AQICAH
#         - "vault:v1:"
#         description: >-
#           The prefixes of values that are encrypted, or that only refer to a secret, decoded from base64 or as they are
#           written. AQICAH is AWS KMS.
#       breakGlassGroups:
#         type: array
#         items: {type: string, minLength: 1}
#         default: []
#         description: Groups whose members are warned instead of denied, for whoever is on call.
package taffrail.secrets.plaintext_secret

import future.keywords.not

# METADATA
# title: A value in plaintext
deny contains object.union(finding, ceiling) if {
	not by_controller
	some finding in values
}

values contains finding if {
	some key in listed
	finding := {
		"msg": sprintf("%q is in plaintext: base64 is an encoding, not encryption", [key]),
		"path": concat("", [field(key), "[", key, "]"]),
		"key": concat("", ["data[", key, "]", edit(key)]),
	}
}

# METADATA
# title: More values in plaintext than are listed
# description: A Secret has room for hundreds of thousands of keys. Whatever changes about the rest is a new violation.
values contains finding if {
	rest := array.slice(sort(plaintext), count(listed), count(plaintext))
	count(rest) > 0
	finding := {
		"msg": sprintf("%d more values are in plaintext: base64 is an encoding, not encryption", [count(rest)]),
		"path": "data",
		"key": concat(" ", ["more of data", crypto.sha256(concat("\n", [edited | some key in rest; edited := concat("", [key, edit(key)])]))]),
	}
}

listed := array.slice(sort(plaintext), 0, 1000)

# METADATA
# title: The field in which the writer has set a key
field(key) := "stringData" if {
	input.stringData[key]
} else := "data"

# METADATA
# title: Plaintext in kubectl's copy of the manifest
deny contains object.union(finding, leniency) if {
	names := sort([key | some key in leaked])
	names[0]
	finding := {
		"msg": sprintf("last-applied-configuration holds %s in plaintext", [listing(names)]),
		"path": "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]",
		"key": concat("", ["last-applied-configuration", leak_edit]),
	}
}

# METADATA
# title: A copy that cannot be read
deny contains object.union(finding, leniency) if {
	input.lastApplied.readable == false
	finding := {
		"msg": "last-applied-configuration is not a JSON object, so it may contain plaintext values",
		"path": "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]",
		"key": concat("", ["last-applied-configuration unreadable", unreadable_edit]),
	}
}

# METADATA
# title: The keys of data with a plaintext value
plaintext contains key if {
	is_object(input.object.data) # the API server refuses anything else
	some key, value in input.object.data
	not harmless(value)
	not input.credentials.public.data[key]
	not address(key, decoded(value))
	not expected(input.object.type, key, value)
}

# METADATA
# title: A value that Kubernetes or Helm creates
# description: >-
#   Only under the keys that belong to the type, and only if it has the usual format; otherwise anyone could set the
#   type to bypass the policy. Whether a Helm release unpacks is checked in Go.
expected(type, key, value) if regex.match(forms[type][key], decoded(value))

expected("bootstrap.kubernetes.io/token", key, value) if {
	startswith(key, "usage-")
	decoded(value) in {"true", "false"}
}

expected("kubernetes.io/service-account-token", "namespace", value) if decoded(value) == input.namespace.name

expected("helm.sh/release.v1", "release", _) if input.helmRelease

expected("kubernetes.io/service-account-token", "token", value) if {
	[header, payload, signature] := split(decoded(value), ".")
	contains(part(header), `"alg":"`)
	regex.match(`"sub":"system:serviceaccount:[a-z0-9-]+:[a-z0-9.-]+"`, part(payload))
	regex.match(`^[A-Za-z0-9_-]{40,}$`, signature)
}

# METADATA
# title: A part of a JSON Web Token
# description: JSON in URL-safe base64, without padding. It is not parsed, because a number in it could make that fail.
part(text) := json_ if {
	regex.match(`^[A-Za-z0-9_-]+$`, text)
	padding := substring("===", 0, (4 - (count(text) % 4)) % 4)
	whole := concat("", [strings.replace_n({"-": "+", "_": "/"}, text), padding])
	base64.is_valid(whole)
	json_ := base64.decode(whole)
	json.is_valid(json_)
}

# METADATA
# title: The format of values, decoded from base64
# description: kubeadm writes the two descriptions. Kubernetes requires the format of bootstrap tokens.
forms := {"bootstrap.kubernetes.io/token": {
	"token-id": `^[a-z0-9]{6}$`,
	"token-secret": `^[a-z0-9]{16}$`,
	"expiration": `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$`,
	"description": `^(The default bootstrap token generated by 'kubeadm [a-z ]{1,20}'[.]?|Proxy for managing TTL for the kubeadm-certs secret)$`,
	"auth-extra-groups": `^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9](,system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9])*$`,
}}

decoded(value) := base64.decode(value) if {
	is_string(value)
	base64.is_valid(value)
}

# METADATA
# title: A value that is empty or encrypted
# description: SOPS writes its envelopes into data directly, without base64.
harmless(null)

harmless("")

harmless(value) if {
	is_string(value)
	encrypted(value)
}

harmless(value) if {
	is_string(value)
	beginning := substring(value, 0, 60) # a multiple of 4, longer than any envelope's
	strings.any_prefix_match(decoded(beginning), envelopes)
	encrypted(decoded(value))
}

# METADATA
# title: An envelope that contains only what is encrypted
encrypted(text) if {
	some beginning in envelopes
	startswith(text, beginning)
	sealed(beginning, text)
}

sealed(beginning, text) if {
	some tool, pattern in envelope_forms
	startswith(beginning, tool)
	groups := regex.find_all_string_submatch_n(pattern, text, 1)[0]
	every body in array.slice(groups, 1, count(groups)) {
		scrambled(body)
	}
}

# METADATA
# title: An envelope that only the parameter defines
# description: Whoever lists it vouches for what follows it.
sealed(beginning, _) if not strings.any_prefix_match(beginning, [tool | some tool, _ in envelope_forms])

# METADATA
# title: The formats of envelopes
# description: >-
#   Keyed by their prefixes. The groups in parentheses are base64 of something unreadable. KMS adds 152 bytes to what it
#   encrypts, and Vault at least 28.
envelope_forms := {
	"ENC[AES256_GCM,": `^ENC\[AES256_GCM,data:([A-Za-z0-9+/]*={0,2}),iv:([A-Za-z0-9+/]{43}=),tag:([A-Za-z0-9+/]{22}==),type:[a-z]{3,7}\]\s*$`,
	"-----BEGIN AGE ENCRYPTED FILE-----": concat("", [
		`^-----BEGIN AGE ENCRYPTED FILE-----\s+YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0\+`, # age-encryption.org/v1 and an arrow
		`[A-Za-z0-9+/\s]{120,}={0,2}\s+-----END AGE ENCRYPTED FILE-----\s*$`,
	]),
	"age-encryption.org/v1": `(?s)^age-encryption\.org/v1\n-> [!-~]+(?: [!-~]+)*\n.*\n--- [A-Za-z0-9+/]{43}\n.{20,}$`,
	"-----BEGIN PGP MESSAGE-----": concat("", [
		`^-----BEGIN PGP MESSAGE-----[ \t]*\r?\n(?:Version: [A-Za-z0-9 ()./+-]{1,60}\r?\n)?\s*`,
		`([g-z0-9+/][A-Za-z0-9+/\s]{80,}={0,2})\s+(?:=[A-Za-z0-9+/]{4}\s+)?-----END PGP MESSAGE-----\s*$`,
	]),
	"AQICAH": `^(AQICAH[A-Za-z0-9+/]{180,}={0,2})\s*$`,
	"vault:v": `^vault:v[0-9]{1,9}:([A-Za-z0-9+/]{38,}={0,2})\s*$`,
}

# METADATA
# title: base64 of something that is not text
scrambled("")

scrambled(body) if {
	whole := regex.replace(body, `\s`, "")
	base64.is_valid(whole)
	not legible(base64.decode(whole))
}

# Random bytes match with a probability of 1 in 100,000 or less.
legible(text) if regex.match(`^[\t\r\n -~]{12,}$|[\t\r\n -~]{24}`, text)

envelopes := input.parameters.envelopes

# METADATA
# title: Values that Argo CD reads from a Secret and that are not secret
# description: Addresses, names and switches of repositories and clusters. Their credentials are checked as usual.
address(key, text) if {
	some kind, pattern in addresses[key]
	input.object.metadata.labels["argocd.argoproj.io/secret-type"] in kinds[kind]
	regex.match(pattern, text)
}

kinds := {
	"repository": {"repository", "repo-creds", "repository-write", "repo-write-creds"},
	"cluster": {"cluster"},
}

addresses := {
	"type": {"repository": `^(?:git|helm|oci)$`},
	"name": {"repository": name, "cluster": name},
	"project": {"repository": name, "cluster": name},
	"url": {"repository": url},
	"server": {"cluster": url},
	"proxy": {"repository": url},
	"githubAppEnterpriseBaseUrl": {"repository": url},
	"noProxy": {"repository": `^[A-Za-z0-9.,*:/-]{1,255}$`},
	"namespaces": {"cluster": `^[a-z0-9.,-]{1,1000}$`},
	"clusterResources": {"cluster": switch},
	"shard": {"cluster": number},
	"githubAppID": {"repository": number},
	"githubAppInstallationID": {"repository": number},
	"depth": {"repository": number},
	"enableOCI": {"repository": switch},
	"enableLfs": {"repository": switch},
	"insecure": {"repository": switch},
	"insecureIgnoreHostKey": {"repository": switch},
	"insecureOCIForceHttp": {"repository": switch},
	"forceHttpBasicAuth": {"repository": switch},
	"useAzureWorkloadIdentity": {"repository": switch},
}

name := `^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`

switch := `^(?:true|false)$`

number := `^[0-9]{1,12}$`

url := `^(?:(?:https?|ssh|git|oci)://)?(?:git@)?[A-Za-z0-9.-]+(?::[0-9]+)?(?:[/:][A-Za-z0-9._~/-]*)?$`

# METADATA
# title: Marks a value that this edit changed, which makes it a new violation
# description: The value itself must not be revealed, so the key of the finding only says that this edit changed it.
edit(key) := " changed" if {
	input.oldObject.data[key] != input.object.data[key]
} else := ""

# METADATA
# title: The keys with a plaintext value in kubectl's copy of the manifest
leaked contains key if {
	some members, public in {"data": "lastAppliedData", "stringData": "lastAppliedStringData"}
	some key, value in input.lastApplied[members]
	not harmless(value)
	not input.credentials.public[public][key]
	not address(key, in_clear(members, value))
}

in_clear("data", value) := decoded(value)

in_clear("stringData", value) := value

leak_edit := " changed" if {
	input.oldObject
	some field in ["data", "stringData"]
	some key, value in input.lastApplied[field]
	key in leaked
	not input.oldLastApplied[field][key] == value
} else := ""

unreadable_edit := " changed" if {
	input.oldObject
	not annotation(input.oldObject) == annotation(input.object)
} else := ""

annotation(object_) := object_.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]

listing(names) := sprintf("%q", [names[0]]) if {
	count(names) == 1
} else := sprintf("%q and %q", names) if {
	count(names) == 2
} else := sprintf("%q, %q and %d more", [names[0], names[1], count(names) - 2])

# METADATA
# title: The strictest mode for values in data
ceiling := {"at_most": "audit"} if {
	recorded
} else := leniency

# METADATA
# title: The strictest mode for the user
leniency := {"at_most": "warn"} if {
	known
	some group in input.parameters.breakGlassGroups
	group in input.user.groups
} else := {}

# METADATA
# title: The writer of the object is known
known if input.origin in {"mutating", "validating"}

by_controller if {
	known
	input.user.name in input.parameters.controllers
	not deployer
}

deployer if input.user.name in input.parameters.deployers

recorded if input.origin == "live"

recorded if {
	known
	machine
	not deployer
}

machine if startswith(input.user.name, "system:serviceaccount:")

machine if startswith(input.user.name, "system:node:")

machine if input.user.name in {
	"system:apiserver",
	"system:cloud-controller-manager",
	"system:kube-controller-manager",
	"system:kube-scheduler",
}
