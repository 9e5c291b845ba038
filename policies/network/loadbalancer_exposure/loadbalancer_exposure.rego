# METADATA
# title: Services of type LoadBalancer set their class and scheme
# description: >-
#   On EKS, a Service of type LoadBalancer without further settings becomes a Classic Load Balancer that faces the
#   internet. So each one sets its class, with spec.loadBalancerClass or the annotation aws-load-balancer-type, and its
#   scheme, with the annotation aws-load-balancer-scheme or aws-load-balancer-internal. With type nlb and no class, the
#   Service is left to the cloud provider, which reads only aws-load-balancer-internal. Classes of implementations other
#   than AWS are not checked. There is no fix: only the author knows whether a Service should face the internet, and a
#   scheme other than the one in effect (the default is a flag of the AWS Load Balancer Controller) replaces the load
#   balancer, which gets another DNS name. The class is also the author's choice, and cannot be changed later.
# custom:
#   id: loadbalancer-exposure
#   severity: high
#   section: 3.3.2
#   kinds: [Service]
#   default_mode: warn
#   remediation: "On a new Service, set spec.loadBalancerClass: service.k8s.aws/nlb and the annotation service.beta.kubernetes.io/aws-load-balancer-scheme: internal, or internet-facing if that is intended."
#   parameters:
#     type: object
#     properties:
#       classes:
#         type: array
#         items: {type: string}
#         default: [service.k8s.aws/nlb, eks.amazonaws.com/nlb]
#         description: The values of spec.loadBalancerClass that are allowed, among those of AWS.
#       types:
#         type: array
#         items: {type: string}
#         default: [external, nlb-ip, nlb]
#         description: The values of the annotation aws-load-balancer-type that are allowed if there is no class.
package taffrail.network.loadbalancer_exposure

import future.keywords.not

deny contains finding if {
	made_by_aws
	class == ""
	stated(type_annotation) == ""
	finding := {
		"msg": "there is no loadBalancerClass, so EKS creates a Classic Load Balancer",
		"path": "spec.loadBalancerClass",
		"key": "class",
	}
}

deny contains finding if {
	made_by_aws
	class != ""
	not class in input.parameters.classes
	finding := {
		"msg": sprintf("loadBalancerClass %q is not one of %s", [class, concat(", ", input.parameters.classes)]),
		"path": "spec.loadBalancerClass",
		"key": concat("=", ["class", class]),
	}
}

deny contains finding if {
	made_by_aws
	class == ""
	type := stated(type_annotation)
	type != ""
	not type in input.parameters.types
	finding := {
		"msg": sprintf("aws-load-balancer-type %v is not one of %s", [json.marshal(type), concat(", ", input.parameters.types)]),
		"path": annotation_path(type_annotation),
		"key": sprintf("type=%v", [type]),
	}
}

deny contains finding if {
	made_by_aws
	stated(scheme_annotation) == ""
	stated(internal_annotation) == ""
	finding := {
		"msg": unstated.msg,
		"path": annotation_path(unstated.annotation),
		"key": "scheme",
	}
}

deny contains finding if {
	made_by_aws
	scheme := stated(scheme_annotation)
	not scheme in {"", "internal", "internet-facing"}
	finding := {
		"msg": sprintf("aws-load-balancer-scheme %s is neither internal nor internet-facing", [json.marshal(scheme)]),
		"path": annotation_path(scheme_annotation),
		"key": sprintf("scheme=%v", [scheme]),
	}
}

deny contains finding if {
	made_by_aws
	value := stated(internal_annotation)
	not value in booleans
	finding := {
		"msg": sprintf("aws-load-balancer-internal %s %s", [json.marshal(value), wrong_boolean(value)]),
		"path": annotation_path(internal_annotation),
		"key": sprintf("internal=%v", [value]),
	}
}

deny contains finding if {
	made_by_aws
	left_to_the_cloud_provider
	stated(scheme_annotation) == "internal"
	stated(internal_annotation) in {"", "false"}
	finding := {
		"msg": "with type nlb, aws-load-balancer-scheme is ignored, so the load balancer is internet-facing",
		"path": annotation_path(internal_annotation),
		"key": "scheme=internal,type=nlb",
	}
}

type_annotation := "service.beta.kubernetes.io/aws-load-balancer-type"

scheme_annotation := "service.beta.kubernetes.io/aws-load-balancer-scheme"

internal_annotation := "service.beta.kubernetes.io/aws-load-balancer-internal"

annotation_path(name) := sprintf("metadata.annotations[%s]", [name])

made_by_aws if {
	input.object.spec.type == "LoadBalancer"
	class == ""
}

made_by_aws if {
	input.object.spec.type == "LoadBalancer"
	strings.any_prefix_match(class, ["service.k8s.aws/", "eks.amazonaws.com/"])
}

default class := ""

class := given if {
	given := input.object.spec.loadBalancerClass
	is_string(given)
}

# An empty annotation has no effect, and the API server reads null as an empty one.
stated(name) := value if {
	value := input.object.metadata.annotations[name]
	value != null
} else := ""

# The cloud provider reads only one of the two annotations.
unstated := {
	"msg": `type nlb reads aws-load-balancer-internal, which is not set: choose "true" or "false"`,
	"annotation": internal_annotation,
} if {
	left_to_the_cloud_provider
} else := {
	"msg": "aws-load-balancer-scheme is not set: choose internal or internet-facing",
	"annotation": scheme_annotation,
}

left_to_the_cloud_provider if {
	class == ""
	stated(type_annotation) == "nlb"
}

# The values that the controller and the cloud provider read in the same way.
booleans := {"", "true", "True", "TRUE", "t", "T", "1", "false"} | legacy_booleans

# The cloud provider reads any text except false as true, and old examples use this value. The controller rejects it.
default legacy_booleans := set()

legacy_booleans := {"0.0.0.0/0"} if {
	class == ""
	stated(type_annotation) in {"", "nlb"}
}

wrong_boolean(value) := `is neither "true" nor "false"` if {
	is_string(value)
} else := "is not a string: quote it"
