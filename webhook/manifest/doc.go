// Package manifest reads the objects that a person would apply from files, folders and standard
// input. It records the line of each object, and gathers what the same input defines about the
// namespaces that the objects belong to.
package manifest
