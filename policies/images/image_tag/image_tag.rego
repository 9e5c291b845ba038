# METADATA
# title: Images name a version
# description: >-
#   Every container, init, sidecar and ephemeral ones too, runs an image with a tag other than latest, or with a digest.
#   Otherwise nobody can say which version runs, nodes run different ones, and a rollback brings back the same image.
#   The port of a registry is not a tag. Image volumes are not looked at. There is no fix: which version is meant is for
#   the author to say.
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
#   remediation: "Name a version, for example image: nginx:1.27.3, or a digest, image: nginx@sha256:<digest>."
#   parameters:
#     type: object
#     properties:
#       tags:
#         type: array
#         items: {type: string, minLength: 1}
#         default: [latest]
#         description: Tags that are no version, such as latest or stable, in upper or lower case.
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
} else := sprintf("image %q holds a password and cannot be pulled: use imagePullSecrets", [image.reference]) if {
	not image.valid
	regex.match(`^(?:[a-z]+://)?[^/@]*:[^@]*@[^@]+/`, image.reference)
} else := sprintf("%q is not an image reference", [image.reference]) if {
	not image.valid
} else := sprintf("image %q has no tag, so it means whatever latest is today", [image.reference]) if {
	image.tag == ""
} else := sprintf("image %q has the tag %s, which moves from version to version", [image.reference, image.tag])
