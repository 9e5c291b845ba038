// Package v1alpha1 holds Taffrail's configuration kinds. The same YAML is a custom
// resource in a cluster and a file for the command line.
//
// +kubebuilder:object:generate=true
// +groupName=taffrail.dev
package v1alpha1
