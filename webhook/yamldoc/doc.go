// Package yamldoc reads YAML and JSON documents the way kubectl does, and knows
// on which line of the file each field stands.
//
// Two parsers see every document. go.yaml.in/yaml/v3 gives the places, and carries
// the guards: duplicate keys, anchors that contain themselves, alias bombs. Only
// then does sigs.k8s.io/yaml give the values, because that is what kubectl sends
// to the API server: it reads "yes" as true and 0644 as 420, where a parser of
// YAML 1.2 reads text and a number of its own.
//
// No error of this package quotes what stands in a document: it may be a Secret.
package yamldoc
