// Package strict reads objects of the built-in kinds as the API server's decoder does, and
// reports what it would refuse or drop, field by field. Objects that come from an API server have
// passed that decoder already: only manifests need the check.
package strict
