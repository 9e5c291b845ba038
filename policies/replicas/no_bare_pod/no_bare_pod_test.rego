package taffrail.replicas.no_bare_pod_test

import data.taffrail.replicas.no_bare_pod
import future.keywords.not

review(operation, metadata) := {"operation": operation, "kind": "Pod", "object": {"metadata": metadata}}

test_bare if {
	no_bare_pod.deny == {{
		"msg": "no controller owns this Pod, so nothing replaces it when it or its node fails",
		"path": "kind",
	}} with input as review("CREATE", {"name": "web"})
}

test_owned if {
	count(no_bare_pod.deny) == 0 with input as review("CREATE", {"ownerReferences": [{"kind": "Workflow", "controller": true}]})
}

test_an_owner_that_is_no_controller[name] if {
	some name, references in {
		"null": null,
		"empty": [],
		"text": "web",
		"says nothing": [{"kind": "Lease"}],
		"says no": [{"kind": "Lease", "controller": false}],
		"text for true": [{"kind": "Lease", "controller": "true"}],
	}
	count(no_bare_pod.deny) == 1 with input as review("CREATE", {"ownerReferences": references})
}

test_meant[annotation] if {
	some annotation in ["kubernetes.io/config.mirror", "helm.sh/hook", "argocd.argoproj.io/hook"]
	count(no_bare_pod.deny) == 0 with input as review("CREATE", {"annotations": {annotation: "test"}})
}

test_not_meant[name] if {
	some name, annotations in {
		"null": null,
		"text": "helm.sh/hook",
		"empty": {},
		"other": {"helm.sh/hook-weight": "5"},
		"empty value": {"helm.sh/hook": ""},
		"null value": {"helm.sh/hook": null},
		"number": {"helm.sh/hook": 1},
	}
	count(no_bare_pod.deny) == 1 with input as review("CREATE", {"annotations": annotations})
}

test_no_metadata if count(no_bare_pod.deny) == 1 with input as review("CREATE", null)

test_only_when_created if count(no_bare_pod.deny) == 0 with input as review("UPDATE", {})
