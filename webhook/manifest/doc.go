// Package manifest reads the objects that a person would apply: from files, folders
// and standard input, with the line each of them stands on, and what the same input
// says about the namespaces they go to.
package manifest
