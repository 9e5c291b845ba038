// Package regotest reads and runs the case files of policies: objects with the findings that are expected of a
// policy. policies/AUTHORING.md describes the format.
package regotest
