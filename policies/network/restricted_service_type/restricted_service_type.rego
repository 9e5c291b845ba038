# METADATA
# title: Services keep inside the cluster
# description: >-
#   Where this policy is bound, a Service does not open a way of its own into or out of the cluster. Each one of type
#   LoadBalancer costs a load balancer, where one Ingress (ALB) serves many Services. Which namespaces are restricted is
#   said by the Guardrail's namespaceSelector. There is no fix: a type of ClusterIP would cut off whoever comes from
#   outside until there is an Ingress.
# custom:
#   id: restricted-service-type
#   severity: medium
#   section: 3.3.2, 3.3.3
#   kinds: [Service]
#   default_mode: enforce
#   default_guardrail: restricted
#   remediation: "Set type: ClusterIP, and reach the Service through an Ingress (ALB)."
#   parameters:
#     type: object
#     properties:
#       types:
#         type: array
#         items:
#           type: string
#           enum: [LoadBalancer, NodePort, ExternalName]
#         default: [LoadBalancer]
#         description: The types that are refused.
#       denyExternalIPs:
#         type: boolean
#         default: false
#         description: Whether spec.externalIPs is refused too.
package taffrail.network.restricted_service_type

deny contains finding if {
	type := input.object.spec.type
	type in input.parameters.types
	finding := {
		"msg": sprintf("type %s is not allowed in this namespace: %s", [type, reasons[type]]),
		"path": "spec.type",
		"key": concat("=", ["type", concat(",", array.concat([type], host(type)))]),
	}
}

deny contains finding if {
	input.parameters.denyExternalIPs
	some i, ip in input.object.spec.externalIPs
	finding := {
		"msg": sprintf("external IP %v is not allowed in this namespace: it may take another's traffic", [ip]),
		"path": sprintf("spec.externalIPs[%v]", [i]),
		"key": sprintf("externalIP=%v", [ip]),
	}
}

# METADATA
# title: Another host is another way out of the cluster
host("ExternalName") := [name | name := input.object.spec.externalName]

host(type) := [] if type != "ExternalName"

reasons := {
	"LoadBalancer": "it costs a load balancer of its own",
	"NodePort": "it opens a port on every node",
	"ExternalName": "it stands for a host outside the cluster",
}
