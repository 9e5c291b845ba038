package auditlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// document has the members of a JSON object that an audit log may consist of, as texts.
type document struct {
	// Of an event.
	level, auditID, stage, requestURI, verb, user, impersonated, objectRef, status []byte
	requestObject, responseObject, received, completed, annotations                []byte
	// Of an envelope: message and timestamp of CloudWatch, properties and time of AKS, log of a container runtime, and
	// protoPayload of GKE.
	message, timestamp, properties, azureTime, log, protoPayload []byte
	// cut is true if the text ends early.
	cut bool
}

// readDocument reads the object that a text begins with.
func readDocument(text []byte) (d document, err error) {
	_, err = Members(text, func(name string, value []byte) bool {
		if field := d.field(name); field != nil {
			*field = value
		}
		return true
	})
	if errors.Is(err, errCut) {
		d.cut, err = true, nil
	}
	return d, err
}

func (d *document) field(name string) *[]byte {
	switch name {
	case "level":
		return &d.level
	case "auditID":
		return &d.auditID
	case "stage":
		return &d.stage
	case "requestURI":
		return &d.requestURI
	case "verb":
		return &d.verb
	case "user":
		return &d.user
	case "impersonatedUser":
		return &d.impersonated
	case "objectRef":
		return &d.objectRef
	case "responseStatus":
		return &d.status
	case "requestObject":
		return &d.requestObject
	case "responseObject":
		return &d.responseObject
	case "requestReceivedTimestamp":
		return &d.received
	case "stageTimestamp":
		return &d.completed
	case "annotations":
		return &d.annotations
	case "message":
		return &d.message
	case "timestamp":
		return &d.timestamp
	case "time":
		return &d.azureTime
	case "properties":
		return &d.properties
	case "log":
		return &d.log
	case "protoPayload":
		return &d.protoPayload
	}
	return nil
}

func (d *document) isEvent() bool { return d.verb != nil && d.stage != nil }

// is reports whether a text is the JSON string of a word without escapes.
func is(text []byte, word string) bool {
	return len(text) == len(word)+2 && string(text[1:len(text)-1]) == word
}

// isWrite reports whether the event is a completed write of an object.
func (d *document) isWrite() bool {
	if !is(d.stage, "ResponseComplete") {
		return false
	}
	for _, verb := range [...]string{"create", "update", "patch", "delete", "deletecollection"} {
		if is(d.verb, verb) {
			return true
		}
	}
	return false
}

// time returns when the response was complete, or else when the request was received. It is zero if that was cut
// off.
func (d *document) time() time.Time {
	for _, text := range [][]byte{d.completed, d.received} {
		if at, ok := parseTime(text); ok {
			return at
		}
	}
	return time.Time{}
}

func parseTime(text []byte) (time.Time, bool) {
	if len(text) < 2 || text[0] != '"' {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, string(text[1:len(text)-1]))
	return at, err == nil
}

// event returns the event, or an error if a field has the wrong type. It copies everything that it needs.
func (d *document) event(needed func(*ObjectRef) bool, users users) (*Event, error) {
	e := &Event{Truncated: d.cut}
	for _, field := range []struct {
		name string
		text []byte
		into *string
	}{{"level", d.level, (*string)(&e.Level)}, {"auditID", d.auditID, &e.AuditID}, {"verb", d.verb, &e.Verb}} {
		if err := decode(field.name, field.text, field.into); err != nil {
			return nil, err
		}
	}
	if err := decode("objectRef", d.objectRef, &e.Object); err != nil {
		return nil, err
	}
	var ok bool
	for _, at := range []struct {
		name string
		text []byte
		into *time.Time
	}{{"requestReceivedTimestamp", d.received, &e.Received}, {"stageTimestamp", d.completed, &e.Completed}} {
		if at.text == nil {
			continue
		}
		if *at.into, ok = parseTime(at.text); !ok {
			return nil, fmt.Errorf("%s is not a time", at.name)
		}
	}
	if needed != nil && !needed(&e.Object) {
		return e, nil
	}
	return e, d.rest(e, users)
}

// rest sets what only writes that are needed have.
func (d *document) rest(e *Event, users users) (err error) {
	if e.User, err = users.decode("user", d.user); err != nil {
		return err
	}
	if impersonated, err := users.decode("impersonatedUser", d.impersonated); err != nil {
		return err
	} else if impersonated.Username != "" {
		e.User = impersonated
	}
	for _, field := range []struct {
		name string
		text []byte
		into any
	}{
		{"requestURI", d.requestURI, &e.RequestURI}, {"responseStatus", d.status, &e.Status}, {"annotations", d.annotations, &e.Annotations},
	} {
		if err := decode(field.name, field.text, field.into); err != nil {
			return err
		}
	}
	if e.Annotations["audit.k8s.io/truncated"] == "true" {
		e.Truncated = true
	}
	e.RequestObject, e.ResponseObject = object(d.requestObject), object(d.responseObject)
	return nil
}

// users has the users that were decoded, by their texts. Few users make most writes.
type users map[string]User

// maxUsers limits the memory for users.
const maxUsers = 500

func (u users) decode(field string, text []byte) (User, error) {
	if text == nil {
		return User{}, nil
	}
	if user, found := u[string(text)]; found {
		return user, nil
	}
	var user User
	if err := decode(field, text, &user); err != nil {
		return user, err
	}
	if len(u) >= maxUsers {
		clear(u)
	}
	u[string(text)] = user
	return user, nil
}

// decode decodes the text of a field, unless it is nil.
func decode(name string, text []byte, into any) error {
	if text == nil {
		return nil
	}
	if plain, ok := into.(*string); ok && len(text) >= 2 && text[0] == '"' && bytes.IndexByte(text, '\\') < 0 {
		*plain = string(text[1 : len(text)-1])
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s has the wrong type", name) // the JSON error would quote the value
	}
	return nil
}

// object returns a copy of the text of an object, or nil if it is something else.
func object(text []byte) []byte {
	if len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return nil
	}
	return bytes.Clone(text)
}
