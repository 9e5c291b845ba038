package decision

import (
	corev1 "k8s.io/api/core/v1"
)

// ClaimSource states how an object creates or uses a claim.
type ClaimSource string

const (
	// ClaimObject means that the object is the claim.
	ClaimObject ClaimSource = "object"
	// ClaimTemplate means that a StatefulSet creates a claim for each of its Pods.
	ClaimTemplate ClaimSource = "template"
	// ClaimEphemeral means that each Pod has its own claim, created from an ephemeral volume.
	ClaimEphemeral ClaimSource = "ephemeral"
	// ClaimVolume means that a volume names an existing claim.
	ClaimVolume ClaimSource = "volume"
)

// Claim is a PersistentVolumeClaim that an object creates or uses.
type Claim struct {
	Source ClaimSource
	// Path is the path of the claim, or of the volume that names it. It is "" if the object is
	// the claim.
	Path string
	// Name is the name of the claim, or of the template or volume that it is created from.
	Name string
	// Known is false if a volume names the claim and the facts do not contain it.
	Known bool
	// AccessModes, VolumeMode, Requests and StorageClass are from the claim's spec. An empty
	// VolumeMode means Filesystem.
	AccessModes []string
	VolumeMode  string
	Requests    corev1.ResourceList
	// StorageClass is nil if the claim names no class and no default class is known. An empty
	// StorageClass requests no class.
	StorageClass *string
	// Provisioner is the class's provisioner, derived from facts; empty if the class is not
	// known.
	Provisioner string
}
