// Package yamldoc reads YAML and JSON documents as kubectl does, and finds the line of each field
// in the file.
//
// Every document is parsed twice. go.yaml.in/yaml/v3 provides the positions, and the nodes on
// which the guards work: duplicate keys, anchors that contain themselves, excessive aliasing.
// sigs.k8s.io/yaml then provides the values, because kubectl sends those to the API server: it
// reads "yes" as true and 0644 as 420, where a YAML 1.2 parser reads text and another number.
//
// No error of this package quotes the content of a document, which may be a Secret.
package yamldoc
