// Package audit decides the objects in a cluster as if they were created now, by no particular user.
//
// Objects reads them from the API server one at a time, as JSON, and Scanner decides each before it
// reads the next one: memory does not grow with the number of objects.
package audit
