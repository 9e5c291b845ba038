# METADATA
# title: Namespaces are limited
# description: >-
#   A namespace that runs workloads has a LimitRange, which gives containers defaults and bounds, and a ResourceQuota,
#   which bounds the namespace as a whole. A namespace that is just being created, or deleted, cannot have any. There is
#   no fix: they are objects of their own.
# custom:
#   id: namespace-limits
#   severity: low
#   section: 3.2.11, 3.7.3, 3.7.4
#   kinds: [Namespace]
#   default_mode: audit
#   remediation: "Create a LimitRange with default, defaultRequest and max, and a ResourceQuota, for example kubectl create quota team -n eks-work --hard=requests.cpu=10,requests.memory=20Gi,limits.memory=40Gi."
#   facts: [limitRanges, resourceQuotas]
#   parameters:
#     type: object
#     properties:
#       exempt:
#         type: array
#         items:
#           type: string
#           pattern: '^[a-z0-9*-]+$'
#         default: [default, "kube-*"]
#         description: Namespaces that run no workloads of their own, by name. An asterisk is any text.
package taffrail.namespaces.namespace_limits

import future.keywords.not

deny contains finding if {
	applies
	count(input.namespace.limitRanges) == 0
	finding := {
		"msg": "the namespace has no LimitRange, so a container without requests and limits may take a whole node",
		"path": "metadata.name",
		"key": "LimitRange",
	}
}

deny contains finding if {
	applies
	count(input.namespace.resourceQuotas) == 0
	finding := {
		"msg": "the namespace has no ResourceQuota, so its Pods may take the whole cluster",
		"path": "metadata.name",
		"key": "ResourceQuota",
	}
}

applies if {
	not in_creation
	not input.object.metadata.deletionTimestamp
	not exempt
}

# A file or a cluster may hold the limits beside the namespace; an admission request comes before them.
in_creation if {
	input.operation == "CREATE"
	input.origin in {"mutating", "validating"}
}

exempt if {
	count(input.name) <= 253
	some pattern in input.parameters.exempt
	glob.match(pattern, null, input.name)
}
