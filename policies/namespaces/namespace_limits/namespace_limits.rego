# METADATA
# title: Namespaces have a LimitRange and a ResourceQuota
# description: >-
#   A namespace that runs workloads has a LimitRange, which gives containers defaults and bounds, and a ResourceQuota,
#   which limits the namespace as a whole. A namespace that is being created or deleted cannot have either, and is not
#   checked. There is no fix: they are separate objects.
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
#         description: Names of namespaces that run no workloads of their own. An asterisk matches any text.
package taffrail.namespaces.namespace_limits

import future.keywords.not

deny contains finding if {
	applies
	count(input.namespace.limitRanges) == 0
	finding := {
		"msg": "the namespace has no LimitRange, so a container without requests and limits may use a whole node",
		"path": "metadata.name",
		"key": "LimitRange",
	}
}

deny contains finding if {
	applies
	count(input.namespace.resourceQuotas) == 0
	finding := {
		"msg": "the namespace has no ResourceQuota, so its Pods may use the whole cluster",
		"path": "metadata.name",
		"key": "ResourceQuota",
	}
}

applies if {
	not in_creation
	not input.object.metadata.deletionTimestamp
	not exempt
}

# Files and clusters can contain the limits next to the namespace. An admission request precedes them.
in_creation if {
	input.operation == "CREATE"
	input.origin in {"mutating", "validating"}
}

exempt if {
	count(input.name) <= 253
	some pattern in input.parameters.exempt
	glob.match(pattern, null, input.name)
}
