package decision

import (
	"encoding/json"
	"sync"
)

// Unread is a part of an object that hardly anybody reads. It is decoded when somebody does.
//
// Only metadata.managedFields of a request may be one. It is as large as the rest of an object, and
// says nothing about what the object is.
type Unread struct{ value func() any }

// NewUnread returns what decode returns for a text. decode is called once at most.
func NewUnread(text string, decode func(text string) any) *Unread {
	return &Unread{value: sync.OnceValue(func() any { return decode(text) })}
}

// Value returns the part. It must not be modified.
func (u Unread) Value() any { return u.value() }

// MarshalJSON implements json.Marshaler.
func (u Unread) MarshalJSON() ([]byte, error) { return json.Marshal(u.Value()) }
