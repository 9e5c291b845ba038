package request

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// referenceReview reads what Review reads, up to what is derived from the object.
func referenceReview(body []byte) (*decision.Request, error) {
	reader := referenceReader{
		decoder: jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)),
		request: &decision.Request{},
		tooLong: len(body) > MaxBytes,
	}
	err := reader.read()
	return reader.request, err
}

// referenceReader reads an AdmissionReview with jsontext, token by token: the oracle for admissionReader.
type referenceReader struct {
	decoder *jsontext.Decoder
	request *decision.Request
	tooLong bool
}

func (a *referenceReader) read() error {
	var found bool
	err := a.members(func(name string) error {
		if name != "request" {
			return a.decoder.SkipValue()
		}
		found = true
		return a.members(a.readField)
	})
	var limit *LimitError
	switch {
	case errors.As(err, &limit):
		return err
	case a.tooLong:
		return &LimitError{What: "size", Limit: MaxBytes}
	case err != nil:
		return &MalformedError{Reason: err.Error()}
	case !found:
		return &MalformedError{Reason: "request is missing"}
	}
	return nil
}

func (a *referenceReader) readField(name string) (err error) {
	r := a.request
	switch name {
	case "uid":
		r.UID, err = a.text()
	case "kind":
		r.Kind, err = a.kind()
	case "subResource":
		r.Subresource, err = a.text()
	case "name":
		r.Name, err = a.text()
	case "namespace":
		r.Namespace.Name, err = a.text()
	case "operation":
		var operation string
		operation, err = a.text()
		r.Operation = decision.Operation(operation)
	case "userInfo":
		r.User, err = a.user()
	case "dryRun":
		var value any
		value, err = a.value()
		r.DryRun, _ = value.(bool)
	case "object":
		r.Object, r.Ambiguous, err = a.object()
	case "oldObject":
		r.OldObject, r.OldAmbiguous, err = a.object()
	default:
		err = a.decoder.SkipValue()
	}
	return err
}

// members calls read for each name of the next object. read must consume the value.
func (a *referenceReader) members(read func(name string) error) error {
	token, err := a.decoder.ReadToken()
	if err != nil {
		return err
	}
	if token.Kind() != '{' {
		return fmt.Errorf("expected an object, found %s", token.Kind())
	}
	for a.decoder.PeekKind() != '}' {
		token, err := a.decoder.ReadToken()
		if err != nil {
			return err
		}
		if err := read(token.String()); err != nil {
			return err
		}
	}
	_, err = a.decoder.ReadToken()
	return err
}

func (a *referenceReader) text() (string, error) {
	token, err := a.decoder.ReadToken()
	if err != nil {
		return "", err
	}
	if kind := token.Kind(); kind != '"' {
		return "", fmt.Errorf("expected a string, found %s", kind)
	}
	return token.String(), nil
}

func (a *referenceReader) kind() (kind schema.GroupVersionKind, err error) {
	err = a.members(func(name string) (err error) {
		switch name {
		case "group":
			kind.Group, err = a.text()
		case "version":
			kind.Version, err = a.text()
		case "kind":
			kind.Kind, err = a.text()
		default:
			err = a.decoder.SkipValue()
		}
		return err
	})
	return kind, err
}

func (a *referenceReader) user() (user decision.User, err error) {
	err = a.members(func(name string) error {
		switch name {
		case "username":
			user.Name, err = a.text()
			return err
		case "uid":
			user.UID, err = a.text()
			return err
		case "groups":
			value, err := a.value()
			user.Groups = textsIn(value)
			return err
		case "extra":
			value, err := a.value()
			extra, _ := value.(map[string]any)
			for key, values := range extra {
				if user.Extra == nil {
					user.Extra = make(map[string][]string, len(extra))
				}
				user.Extra[key] = textsIn(values)
			}
			return err
		}
		return a.decoder.SkipValue()
	})
	return user, err
}

func (a *referenceReader) value() (any, error) {
	reader := referenceValues{decoder: a.decoder}
	return reader.read(0)
}

// object reads an object. ambiguous describes what in it can be read in more than one way.
func (a *referenceReader) object() (object map[string]any, ambiguous string, err error) {
	if a.tooLong {
		return nil, "", &LimitError{What: "size", Limit: MaxBytes, Request: a.request}
	}
	reader := referenceValues{decoder: a.decoder}
	value, err := reader.read(0)
	switch {
	case errors.Is(err, errTooDeep):
		return nil, "", &LimitError{What: "depth", Limit: MaxDepth, Request: a.request}
	case err != nil:
		return nil, "", err
	case value == nil:
		return nil, "", nil
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, "", errors.New("the object is not a JSON object")
	}
	return object, reader.ambiguous, nil
}
