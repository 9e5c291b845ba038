// Package audit decides the objects that are in a cluster, as admission would decide them
// if they were created now by nobody in particular. It reads them page by page, so that a
// namespace of any size costs a bounded amount of memory.
package audit
