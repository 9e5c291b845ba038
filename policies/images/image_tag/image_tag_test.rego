package taffrail.images.image_tag_test

import data.taffrail.images.image_tag
import future.keywords.not

image(reference, tag, digest) := {
	"reference": reference,
	"valid": true,
	"registry": "docker.io",
	"repository": "library/nginx",
	"tag": tag,
	"digest": digest,
}

invalid(reference) := {
	"reference": reference,
	"valid": false,
	"registry": "",
	"repository": "",
	"tag": "",
	"digest": "",
}

digest := "sha256:2f5f1a3a7a1d5c1e2b1a0c9d8e7f60514233241506172839fa0b1c2d3e4f5061"

review(containers, tags) := {"containers": containers, "parameters": {"tags": tags}}

alone(type, about) := review(
	{"spec.containers[0]": {"name": "web", "type": type, "path": "spec.containers[0]", "spec": {}, "image": about}},
	["latest"],
)

test_versions_pass[reference] if {
	some reference, about in {
		"a tag": image("nginx:1.27.3", "1.27.3", ""),
		"a tag of a registry with a port": image("host:5000/app:1", "1", ""),
		"a digest": image(concat("@", ["nginx", digest]), "", digest),
		"latest and a digest": image(concat("@", ["nginx:latest", digest]), "latest", digest),
		"a tag that begins with latest": image("nginx:latest-1.2", "latest-1.2", ""),
	}
	count(image_tag.deny) == 0 with input as alone("app", about)
}

test_no_tag if {
	image_tag.deny == {{
		"msg": `image "nginx" has no tag, so it resolves to whatever latest is at pull time`,
		"path": "spec.containers[0].image",
		"container": "web",
		"key": "image=nginx",
	}} with input as alone("app", image("nginx", "", ""))
}

test_latest_in_any_case if {
	every tag in ["latest", "LATEST", "Latest"] {
		reference := concat(":", ["nginx", tag])
		some finding in image_tag.deny with input as alone("app", image(reference, tag, ""))
		finding.msg == sprintf(`image %q has the tag %s, which does not identify a version`, [reference, tag])
		finding.key == concat("=", ["image", reference])
	}
}

test_every_type_of_container if {
	every type in ["app", "init", "sidecar", "ephemeral"] {
		count(image_tag.deny) == 1 with input as alone(type, image("nginx", "", ""))
		count(image_tag.deny) == 0 with input as alone(type, image("nginx:1", "1", ""))
	}
}

test_another_image_is_another_violation if {
	some before in image_tag.deny with input as alone("app", image("nginx:latest", "latest", ""))
	some after in image_tag.deny with input as alone("app", image("evil:latest", "latest", ""))
	before.key != after.key
}

test_not_a_reference if {
	some finding in image_tag.deny with input as alone("app", invalid("Nginx:1.0\n"))
	finding.msg == `"Nginx:1.0\n" is not a valid image reference`
}

test_no_image if {
	some finding in image_tag.deny with input as alone("app", invalid(""))
	finding.msg == "the container has no image"
	finding.path == "spec.containers[0].image"
}

test_a_finding_each if {
	two := review(
		{
			"spec.containers[0]": {"name": "a", "type": "app", "path": "spec.containers[0]", "image": image("nginx", "", "")},
			"spec.initContainers[0]": {"name": "b", "type": "init", "path": "spec.initContainers[0]", "image": image("nginx", "", "")},
			"spec.containers[1]": {"name": "c", "type": "app", "path": "spec.containers[1]", "image": image("nginx:1", "1", "")},
		},
		["latest"],
	)
	{finding.container | some finding in image_tag.deny} == {"a", "b"} with input as two
}

test_no_containers if count(image_tag.deny) == 0 with input as review({}, ["latest"])

tagged(tags) := review(
	{"spec.containers[0]": {"name": "web", "type": "app", "path": "spec.containers[0]", "image": image("nginx:Stable", "Stable", "")}},
	tags,
)

test_tags_of_ones_own if {
	count(image_tag.deny) == 1 with input as tagged(["latest", "stable"])
	count(image_tag.deny) == 1 with input as tagged(["STABLE"])
	count(image_tag.deny) == 0 with input as tagged(["latest"])
	count(image_tag.deny) == 0 with input as tagged([])
}

test_no_tag_even_without_tags if {
	silent := object.union(alone("app", image("nginx", "", "")), {"parameters": {"tags": []}})
	count(image_tag.deny) == 1 with input as silent
}
