package taffrail.network.loadbalancer_exposure_test

import data.taffrail.network.loadbalancer_exposure

aws(name) := concat("", ["service.beta.kubernetes.io/aws-load-balancer-", name])

place(name) := sprintf("metadata.annotations[%s]", [aws(name)])

parameters := {
	"classes": ["service.k8s.aws/nlb", "eks.amazonaws.com/nlb"],
	"types": ["external", "nlb-ip", "nlb"],
}

review(spec, annotations) := {
	"object": {
		"metadata": {"annotations": {aws(name): value | some name, value in annotations}},
		"spec": object.union({"type": "LoadBalancer"}, spec),
	},
	"parameters": parameters,
}

nlb := {"loadBalancerClass": "service.k8s.aws/nlb"}

keys contains finding.key if some finding in loadbalancer_exposure.deny

messages contains finding.msg if some finding in loadbalancer_exposure.deny

test_nothing_is_stated if {
	loadbalancer_exposure.deny == {
		{
			"msg": "there is no loadBalancerClass, so EKS creates a Classic Load Balancer",
			"path": "spec.loadBalancerClass",
			"key": "class",
		},
		{
			"msg": "aws-load-balancer-scheme is not set: choose internal or internet-facing",
			"path": place("scheme"),
			"key": "scheme",
		},
	} with input as review({}, {})
}

test_class_and_scheme_are_stated[name] if {
	some name, stated in {
		"controller": {"spec": nlb, "annotations": {"scheme": "internal"}},
		"Auto Mode": {"spec": {"loadBalancerClass": "eks.amazonaws.com/nlb"}, "annotations": {"scheme": "internet-facing"}},
		"controller by type": {"spec": {}, "annotations": {"type": "external", "scheme": "internet-facing"}},
		"controller by its old type": {"spec": {}, "annotations": {"type": "nlb-ip", "scheme": "internal"}},
		"controller, the old way": {"spec": nlb, "annotations": {"internal": "true"}},
		"class over type": {"spec": nlb, "annotations": {"type": "clb", "scheme": "internal"}},
		"cloud provider": {"spec": {}, "annotations": {"type": "nlb", "internal": "true"}},
		"cloud provider, to the internet": {"spec": {}, "annotations": {"type": "nlb", "internal": "false"}},
		"cloud provider, the oldest way": {"spec": {}, "annotations": {"type": "nlb", "internal": "0.0.0.0/0"}},
		"either, internal": {"spec": {}, "annotations": {"type": "nlb", "internal": "true", "scheme": "internal"}},
		"either, to the internet": {"spec": {}, "annotations": {"type": "nlb", "scheme": "internet-facing"}},
	}
	loadbalancer_exposure.deny == set() with input as review(stated.spec, stated.annotations)
}

test_other_services[name] if {
	some name, spec in {
		"ClusterIP": {"type": "ClusterIP"},
		"NodePort": {"type": "NodePort"},
		"no type": {"type": null},
		"another implementation": {"loadBalancerClass": "tailscale"},
		"another implementation with a domain": {"loadBalancerClass": "io.cilium/node"},
	}
	loadbalancer_exposure.deny == set() with input as review(spec, {"scheme": "public"})
}

test_classes_of_aws[class] if {
	some class in ["service.k8s.aws/nbl", "service.k8s.aws/alb", "eks.amazonaws.com/clb"]
	loadbalancer_exposure.deny == {{
		"msg": sprintf("loadBalancerClass %q is not one of service.k8s.aws/nlb, eks.amazonaws.com/nlb", [class]),
		"path": "spec.loadBalancerClass",
		"key": concat("=", ["class", class]),
	}} with input as review({"loadBalancerClass": class}, {"scheme": "internal"})
}

test_no_class[name] if {
	some name, class in {"empty": "", "null": null, "a number": 5}
	keys == {"class"} with input as review({"loadBalancerClass": class}, {"scheme": "internal"})
}

test_types[type] if {
	some type in ["clb", "alb", "NLB", "nlb-instance", "classic"]
	loadbalancer_exposure.deny == {{
		"msg": sprintf("aws-load-balancer-type %q is not one of external, nlb-ip, nlb", [type]),
		"path": place("type"),
		"key": concat("=", ["type", type]),
	}} with input as review({}, {"type": type, "scheme": "internal"})
}

test_empty_type_is_none if keys == {"class"} with input as review({}, {"type": "", "scheme": "internal"})

test_schemes[name] if {
	some name, scheme in {"public": "public", "capital": "Internal", "underscore": "internet_facing"}
	loadbalancer_exposure.deny == {{
		"msg": sprintf("aws-load-balancer-scheme %q is neither internal nor internet-facing", [scheme]),
		"path": place("scheme"),
		"key": concat("=", ["scheme", scheme]),
	}} with input as review(nlb, {"scheme": scheme})
}

test_internal[value] if {
	some value, expected in {"true": 0, "True": 0, "1": 0, "false": 0, "yes": 1, "False": 1, "0": 1, "0.0.0.0/0": 1}
	count(loadbalancer_exposure.deny) == expected with input as review(nlb, {"internal": value})
}

test_internal_of_the_cloud_provider[value] if {
	some value, expected in {"true": 0, "false": 0, "0.0.0.0/0": 0, "False": 1, "0": 1, "yes": 1}
	count(loadbalancer_exposure.deny) == expected with input as review({}, {"type": "nlb", "internal": value})
}

test_no_text if {
	messages == {
		"aws-load-balancer-internal true is not a string: quote it",
		"aws-load-balancer-scheme false is neither internal nor internet-facing",
		"aws-load-balancer-type 5 is not one of external, nlb-ip, nlb",
	} with input as review({}, {"internal": true, "scheme": false, "type": 5})
}

test_cloud_provider_does_not_read_the_scheme[name] if {
	some name, annotations in {
		"scheme alone": {"type": "nlb", "scheme": "internal"},
		"another internal": {"type": "nlb", "scheme": "internal", "internal": "false"},
	}
	loadbalancer_exposure.deny == {{
		"msg": "with type nlb, aws-load-balancer-scheme is ignored, so the load balancer is internet-facing",
		"path": place("internal"),
		"key": "scheme=internal,type=nlb",
	}} with input as review({}, annotations)
}

test_cloud_provider_reads_one_annotation if {
	loadbalancer_exposure.deny == {{
		"msg": `type nlb reads aws-load-balancer-internal, which is not set: choose "true" or "false"`,
		"path": place("internal"),
		"key": "scheme",
	}} with input as review({}, {"type": "nlb"})
}

test_odd_annotations[name] if {
	some name, annotations in {"null": null, "text": "internal", "a list": []}
	request := object.union(review(nlb, {}), {"object": {"metadata": {"annotations": annotations}}})
	keys == {"scheme"} with input as request
}

test_parameters if {
	strict := {"classes": ["eks.amazonaws.com/nlb"], "types": []}
	by_class := object.union(review(nlb, {"scheme": "internal"}), {"parameters": strict})
	keys == {"class=service.k8s.aws/nlb"} with input as by_class
	by_type := object.union(review({}, {"type": "external", "scheme": "internal"}), {"parameters": strict})
	keys == {"type=external"} with input as by_type
}
