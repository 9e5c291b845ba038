# METADATA
# title: Images have a version tag or a digest
# description: >-
#   The image of every container, including init, sidecar and ephemeral containers, has a tag other than latest, or a
#   digest. Otherwise you cannot know which version runs, nodes can run different ones, and a rollback pulls the same
#   image again. The port of a registry is not a tag. Image volumes are not checked. There is no fix: only the author
#   knows which version is meant.
# custom:
#   id: image-tag
#   severity: high
#   section: 3.2.2
#   kinds:
#   - Pod
#   - Deployment.apps
#   - StatefulSet.apps
#   - DaemonSet.apps
#   - ReplicaSet.apps
#   - ReplicationController
#   - Job.batch
#   - CronJob.batch
#   default_mode: enforce
#   remediation: "Pin a version, for example image: nginx:1.27.3, or a digest, image: nginx@sha256:<digest>."
#   parameters:
#     type: object
#     properties:
#       tags:
#         type: array
#         items: {type: string, minLength: 1}
#         default: [latest]
#         description: Tags that do not identify a version, such as latest or stable. Case is ignored.
package taffrail.images.image_tag

import future.keywords.not

deny contains finding if {
	some container in input.containers
	not versioned(container.image.tag, container.image.digest)
	finding := {
		"msg": message(container.image),
		"path": concat("", [container.path, ".image"]),
		"container": container.name,
		"key": concat("=", ["image", container.image.reference]),
	}
}

versioned(tag, _) if {
	tag != ""
	not lower(tag) in moving
}

versioned(_, digest) if digest != ""

moving contains lower(tag) if some tag in input.parameters.tags

message(image) := "the container has no image" if {
	image.reference == ""
} else := sprintf("image %q has a password and cannot be pulled: use imagePullSecrets", [image.reference]) if {
	not image.valid
	regex.match(`^(?:[a-z]+://)?[^/@]*:[^@]*@[^@]+/`, image.reference)
} else := sprintf("%q is not a valid image reference", [image.reference]) if {
	not image.valid
} else := sprintf("image %q has no tag, so it resolves to whatever latest is at pull time", [image.reference]) if {
	image.tag == ""
} else := sprintf("image %q has the tag %s, which does not identify a version", [image.reference, image.tag])
