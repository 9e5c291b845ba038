# METADATA
# title: Load balancers state what they are
# description: >-
#   On EKS a Service of type LoadBalancer that says no more becomes a classic load balancer that faces the internet. So
#   each states its class, by spec.loadBalancerClass or the annotation aws-load-balancer-type, and its scheme, by the
#   annotation aws-load-balancer-scheme or aws-load-balancer-internal. With type nlb and no class it is left to the cloud
#   provider, which reads only aws-load-balancer-internal. A class that is not AWS's own is another implementation's
#   and is left alone. There is no fix: whether a Service should face the internet is for the author to say, and a scheme
#   that is not the one in effect (the AWS Load Balancer Controller's default is a flag of it) replaces the load balancer,
#   with another DNS name. The class is for the author to say too, and cannot be changed later.
# custom:
#   id: loadbalancer-exposure
#   severity: high
#   section: 3.3.2
#   kinds: [Service]
#   default_mode: warn
#   remediation: "On a new Service, set spec.loadBalancerClass: service.k8s.aws/nlb and the annotation service.beta.kubernetes.io/aws-load-balancer-scheme: internal, or internet-facing where that is meant."
#   parameters:
#     type: object
#     properties:
#       classes:
#         type: array
#         items: {type: string}
#         default: [service.k8s.aws/nlb, eks.amazonaws.com/nlb]
#         description: The values of spec.loadBalancerClass that are allowed of those that AWS has.
#       types:
#         type: array
#         items: {type: string}
#         default: [external, nlb-ip, nlb]
#         description: The values of the annotation aws-load-balancer-type that are allowed where there is no class.
package taffrail.network.loadbalancer_exposure

import future.keywords.not

deny contains finding if {
	made_by_aws
	class == ""
	stated(type_annotation) == ""
	finding := {
		"msg": "there is no loadBalancerClass, so EKS by itself makes a Classic Load Balancer",
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
		"msg": "aws-load-balancer-type nlb does not read aws-load-balancer-scheme, so it is internet-facing",
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

# An empty annotation says nothing, and the API server makes one of null.
stated(name) := value if {
	value := input.object.metadata.annotations[name]
	value != null
} else := ""

# The cloud provider reads only one of the two annotations.
unstated := {
	"msg": `aws-load-balancer-internal is missing, which is what type nlb reads: "true" or "false"?`,
	"annotation": internal_annotation,
} if {
	left_to_the_cloud_provider
} else := {
	"msg": "aws-load-balancer-scheme is missing: is the load balancer internal or internet-facing?",
	"annotation": scheme_annotation,
}

left_to_the_cloud_provider if {
	class == ""
	stated(type_annotation) == "nlb"
}

# What the controller and the cloud provider understand alike.
booleans := {"", "true", "True", "TRUE", "t", "T", "1", "false"} | legacy_booleans

# The cloud provider takes any text but false for true, and this is how examples once had it. The controller refuses it.
default legacy_booleans := set()

legacy_booleans := {"0.0.0.0/0"} if {
	class == ""
	stated(type_annotation) in {"", "nlb"}
}

wrong_boolean(value) := `is neither "true" nor "false"` if {
	is_string(value)
} else := "is not a string: quote it"
