package replay

import (
	"bytes"
	"crypto/sha256"
	"strconv"

	"taffrail.dev/webhook/replay/auditlog"
)

// head is what identifies an object and its version. It is read without parsing the rest of the object.
type head struct {
	apiVersion, kind string
	name, uid        string
	version          string
	generation       int64
	terminating      bool
	hasFinalizers    bool
	// grace is the grace period of a deletion, in seconds.
	grace               int64
	labels, annotations []byte
	owners              []byte
	// sum identifies the labels and annotations. The API server writes them sorted.
	sum [sha256.Size]byte
}

// headOf returns the head of an object. It is zero for a text that is not an object.
func headOf(text []byte) (h head) {
	_, err := auditlog.Members(text, func(name string, value []byte) bool {
		switch name {
		case "apiVersion":
			h.apiVersion = word(value)
		case "kind":
			h.kind = word(value)
		case "metadata":
			h.readMetadata(value)
		}
		return true
	})
	if err != nil {
		return head{}
	}
	return h
}

func (h *head) readMetadata(text []byte) {
	if len(text) == 0 || text[0] != '{' {
		return
	}
	// The caller has found the end of the text, and a member that is not read is missing.
	_, _ = auditlog.Members(text, func(name string, value []byte) bool {
		switch name {
		case "name":
			h.name = word(value)
		case "uid":
			h.uid = word(value)
		case "resourceVersion":
			h.version = word(value)
		case "generation":
			h.generation, _ = strconv.ParseInt(string(value), 10, 64) // 0 is not known
		case "deletionTimestamp":
			h.terminating = len(value) > 2
		case "deletionGracePeriodSeconds":
			h.grace, _ = strconv.ParseInt(string(value), 10, 64) // 0 ends the deletion
		case "finalizers":
			h.hasFinalizers = len(bytes.TrimSpace(value)) > 2
		case "ownerReferences":
			h.owners = value
		case "labels":
			h.labels = value
		case "annotations":
			h.annotations = value
		}
		return true
	})
	sum := sha256.New()
	for _, text := range [][]byte{h.labels, h.annotations} {
		if len(text) > len("{}") && string(text) != "null" {
			sum.Write(text)
		}
		sum.Write([]byte{0})
	}
	sum.Sum(h.sum[:0])
}

// word returns the value of a JSON string without escapes, and "" for anything else: names need none.
func word(text []byte) string {
	if len(text) < 2 || text[0] != '"' || bytes.IndexByte(text, '\\') >= 0 {
		return ""
	}
	return string(text[1 : len(text)-1])
}
