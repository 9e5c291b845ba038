// Package v1alpha1 contains Taffrail's configuration kinds. The same YAML is a custom resource in a cluster and
// an input file of the command line.
//
// +kubebuilder:object:generate=true
// +groupName=taffrail.dev
package v1alpha1
