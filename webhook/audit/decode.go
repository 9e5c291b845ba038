package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// newDecoder returns a decoder that leaves names that occur twice, and invalid UTF-8, to whoever
// reads the objects.
func newDecoder(body io.Reader) *jsontext.Decoder {
	return jsontext.NewDecoder(body, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// readPage reads a list and calls each with every item. An error of each is returned as it is.
func readPage(d *jsontext.Decoder, each func(object []byte) error) (found page, err error) {
	err = members(d, func(name string) error {
		switch name {
		case "metadata":
			text, err := d.ReadValue()
			if err != nil {
				return err
			}
			var list metav1.ListMeta
			if err := json.Unmarshal(text, &list); err != nil {
				return fmt.Errorf("reading the metadata of a list: %w", err)
			}
			found.version, found.next = list.ResourceVersion, list.Continue
			return nil
		case "items":
			return elements(d, each)
		}
		return d.SkipValue()
	})
	return found, err
}

// Event is an event of a watch.
type Event struct {
	// Type is ADDED, MODIFIED, DELETED or BOOKMARK.
	Type string
	// Object is JSON that is valid until the next event is read.
	Object []byte
}

// The types of events.
const (
	Deleted  = "DELETED"
	Bookmark = "BOOKMARK"
	failed   = "ERROR"
)

// readEvent reads one event of a watch. The type comes before the object.
func readEvent(d *jsontext.Decoder, each func(Event) error) error {
	kind := ""
	return members(d, func(name string) error {
		text, err := d.ReadValue()
		if err != nil {
			return err
		}
		switch name {
		case "type":
			if kind, err = unquote(text); err != nil {
				return err
			}
		case "object":
			if kind == "" {
				return errNoType
			}
			return each(Event{Type: kind, Object: text})
		}
		return nil
	})
}

var (
	errNoType    = errors.New("an event of a watch has no type before its object")
	errNotString = errors.New("the type of an event is not a string")
)

func unquote(text jsontext.Value) (string, error) {
	if text.Kind() != '"' {
		return "", errNotString
	}
	plain, err := jsontext.AppendUnquote(nil, text)
	return string(plain), err
}

// members calls read for each name of the next object. read must consume the value.
func members(d *jsontext.Decoder, read func(name string) error) error {
	if err := expect(d, '{'); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		if err := read(name.String()); err != nil {
			return err
		}
	}
	return expect(d, '}')
}

// elements calls each with every element of the next array. null has none.
func elements(d *jsontext.Decoder, each func(element []byte) error) error {
	if d.PeekKind() == 'n' {
		return d.SkipValue()
	}
	if err := expect(d, '['); err != nil {
		return err
	}
	for d.PeekKind() != ']' {
		element, err := d.ReadValue()
		if err != nil {
			return err
		}
		if err := each(element); err != nil {
			return err
		}
	}
	return expect(d, ']')
}

func expect(d *jsontext.Decoder, want jsontext.Kind) error {
	token, err := d.ReadToken()
	if err == nil && token.Kind() != want {
		err = fmt.Errorf("expected %s, found %s", want, token.Kind())
	}
	return err
}
