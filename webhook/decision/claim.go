package decision

import (
	corev1 "k8s.io/api/core/v1"
)

// ClaimSource says how an object comes by a claim.
type ClaimSource string

const (
	// ClaimObject: the object is the claim.
	ClaimObject ClaimSource = "object"
	// ClaimTemplate: a StatefulSet makes one for each of its Pods.
	ClaimTemplate ClaimSource = "template"
	// ClaimEphemeral: each Pod has one of its own, made from its volume.
	ClaimEphemeral ClaimSource = "ephemeral"
	// ClaimVolume: a volume names one that exists on its own.
	ClaimVolume ClaimSource = "volume"
)

// Claim is a PersistentVolumeClaim that an object makes or uses.
type Claim struct {
	Source ClaimSource
	// Path leads to the claim, or to the volume that names it: "" where the object is the claim.
	Path string
	// Name of the claim, or of the template or volume that it is made from.
	Name string
	// Known is false for a claim that a volume names and no fact tells of.
	Known bool
	// AccessModes, VolumeMode, Requests and StorageClass are the claim's own. VolumeMode is
	// empty where none is named, which means Filesystem.
	AccessModes []string
	VolumeMode  string
	Requests    corev1.ResourceList
	// StorageClass is nil where none is named; enrichment puts the default class there.
	// An empty one asks for no class at all.
	StorageClass *string
	// Provisioner of the class; empty where the class is not known. Set by enrichment.
	Provisioner string
}
