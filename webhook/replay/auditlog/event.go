package auditlog

import (
	"fmt"
	"time"
)

// Level is how much of a request is in an Event.
type Level string

// The levels of audit.k8s.io/v1.
const (
	LevelMetadata        Level = "Metadata"
	LevelRequest         Level = "Request"
	LevelRequestResponse Level = "RequestResponse"
)

// Event is a completed write.
type Event struct {
	Position   Position
	Level      Level
	AuditID    string
	RequestURI string
	Verb       string
	// User is the one that admission sees: the impersonated user, if there is one.
	User   User
	Object ObjectRef
	Status Status
	// RequestObject and ResponseObject are JSON texts, and nil if the log does not have them.
	RequestObject, ResponseObject []byte
	// Received is when the API server received the request, and Completed when it had sent the response.
	Received, Completed time.Time
	Annotations         map[string]string
	// Truncated is true if the event was too large for the log, so that the objects and everything after them are
	// missing.
	Truncated bool
}

// User is a user in an Event.
type User struct {
	Username string              `json:"username"`
	UID      string              `json:"uid"`
	Groups   []string            `json:"groups"`
	Extra    map[string][]string `json:"extra"`
}

// ObjectRef identifies what a request is for. Name is empty if the API server generates it.
type ObjectRef struct {
	APIGroup    string `json:"apiGroup"`
	APIVersion  string `json:"apiVersion"`
	Resource    string `json:"resource"`
	Subresource string `json:"subresource"`
	Namespace   string `json:"namespace"`
	Name        string `json:"name"`
	UID         string `json:"uid"`
	// ResourceVersion is the version of the object that the client has sent, empty if it has sent none.
	ResourceVersion string `json:"resourceVersion"`
}

// Status is the part of a response that has no object.
type Status struct {
	Code    int    `json:"code"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// eventOverhead is what an Event takes besides its texts, approximately.
const eventOverhead = 1024

// Size returns how many bytes of memory the event keeps, approximately.
func (e *Event) Size() int {
	size := eventOverhead + len(e.RequestObject) + len(e.ResponseObject) + len(e.Level) + len(e.AuditID) + len(e.RequestURI) + len(e.Verb) + len(e.User.Username) + len(e.User.UID) + len(e.Status.Reason) + len(e.Status.Message)
	ref := &e.Object
	size += len(ref.APIGroup) + len(ref.APIVersion) + len(ref.Resource) + len(ref.Subresource) + len(ref.Namespace) + len(ref.Name) + len(ref.UID) + len(ref.ResourceVersion)
	const entry = 48 // of a map or a list, with its strings
	for _, group := range e.User.Groups {
		size += entry + len(group)
	}
	for name, values := range e.User.Extra {
		size += entry + len(name)
		for _, value := range values {
			size += entry + len(value)
		}
	}
	for name, value := range e.Annotations {
		size += entry + len(name) + len(value)
	}
	return size
}

// Position is where something is in a log.
type Position struct {
	File string `json:"file"`
	// Line starts at 1. Compressed files are counted as decompressed.
	Line int64 `json:"line"`
}

func (p Position) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// Problem is something in a log that could not be read.
type Problem struct {
	Position Position `json:"position"`
	Reason   string   `json:"reason"`
}

func (p Problem) String() string { return p.Position.String() + ": " + p.Reason }
