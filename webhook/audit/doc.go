// Package audit evaluates the objects in a cluster as if they were created now, by no particular
// user. It lists them page by page, so that memory use does not grow with the size of a
// namespace.
package audit
