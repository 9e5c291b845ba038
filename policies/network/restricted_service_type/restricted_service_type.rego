# METADATA
# title: Services stay inside the cluster
# description: >-
#   Where this policy is bound, a Service does not open its own way into or out of the cluster. Each Service of type
#   LoadBalancer costs a load balancer, while one Ingress (ALB) serves many Services. The namespaceSelector of the
#   Guardrail determines which namespaces are restricted. There is no fix: type ClusterIP would cut off clients outside
#   the cluster until there is an Ingress.
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
#         description: The Service types that are denied.
#       denyExternalIPs:
#         type: boolean
#         default: false
#         description: Whether spec.externalIPs is denied too.
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
		"msg": sprintf("external IP %v is not allowed in this namespace: it can intercept the traffic of others", [ip]),
		"path": sprintf("spec.externalIPs[%v]", [i]),
		"key": sprintf("externalIP=%v", [ip]),
	}
}

# METADATA
# title: The host of an ExternalName
# description: A different host is a different way out of the cluster.
host("ExternalName") := [name | name := input.object.spec.externalName]

host(type) := [] if type != "ExternalName"

reasons := {
	"LoadBalancer": "it costs a load balancer of its own",
	"NodePort": "it opens a port on every node",
	"ExternalName": "it points to a host outside the cluster",
}
