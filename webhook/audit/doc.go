// Package audit decides the existing objects of a cluster as if they were created now, by no particular user.
//
// Objects reads them from the API server one at a time, as JSON, and keeps none. Scanner decides them once; Auditor decides
// them and then follows their changes, and keeps what it finds: its memory grows with the findings, and by a few bytes for
// each object.
//
// # How objects are read
//
// The initial events of a watch (a watch-list) cost the API server least, but it sends no other event on that watch until
// they are all sent. A client that takes its time, as an Auditor at its pace does, fills the buffers between the two. The
// API server then holds up the other watches of the kind for a moment with each event, and gives the slow one up: at once
// if the mark at the end of the initial events is not in the buffer yet. At a slow pace a large list also takes longer than
// a watch may last. Objects therefore never lets whoever decides slow down a watch-list. It reads all of the list into a
// small buffer first, and reads pages if the list does not fit. Small kinds, which are most of them, cost one request that
// etcd does not notice, and large ones cost a page at a time. An Auditor requests pages that it decides well within the API
// server's timeout at its pace.
package audit
