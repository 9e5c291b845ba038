// Package yamlnode finds the places in a parsed YAML document that the paths of
// findings name, so that what is said of a field can be said with its line.
package yamlnode
