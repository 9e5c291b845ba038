package request

import (
	"errors"
	"unsafe"

	"taffrail.dev/webhook/decision"
)

// ErrNotObject is returned for a text that is not a JSON object.
var ErrNotObject = errors.New("not a JSON object")

// Recorded returns a request that an audit log has recorded. identity has everything but the objects, which are JSON
// texts that must not be modified afterward; old is empty if there is none. Errors are ErrNotObject, a *LimitError or
// a *FieldError.
func Recorded(identity decision.Request, object, old []byte) (*decision.Request, error) {
	r := &identity
	var err error
	if r.Object, r.Ambiguous, err = recordedObject(r, object); err != nil {
		return nil, err
	}
	if len(old) > 0 {
		if r.OldObject, r.OldAmbiguous, err = recordedObject(r, old); err != nil {
			return nil, err
		}
	}
	return r, settle(r)
}

func recordedObject(r *decision.Request, text []byte) (object map[string]any, ambiguous string, err error) {
	reader := admissionReader{
		scanner: &scanner{text: unsafe.String(unsafe.SliceData(text), len(text))}, unfinished: takeUnfinished(), request: r, tooLong: len(text) > MaxBytes,
	}
	defer reader.release()
	object, ambiguous, err = reader.object()
	switch {
	case errors.As(err, new(*LimitError)):
		return nil, "", err
	case err != nil || object == nil || reader.next() != 0:
		return nil, "", ErrNotObject
	}
	return object, ambiguous, nil
}
