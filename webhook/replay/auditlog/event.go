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
	User User
	// Impersonator is the name of the user who impersonates User; empty if nobody does.
	Impersonator string
	UserAgent    string
	Object       ObjectRef
	Status       Status
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
}

// Status is the part of a response that has no object.
type Status struct {
	Code    int    `json:"code"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Size returns how many bytes of memory the event keeps, approximately.
func (e *Event) Size() int { return len(e.RequestObject) + len(e.ResponseObject) + 1024 }

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
