package request

import (
	"errors"
	"strings"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// Review decodes the body of an AdmissionReview (admission.k8s.io/v1). Errors are a
// *MalformedError, a *LimitError or a *FieldError. For operations other than CREATE and UPDATE
// the object, which may be nil, is not processed.
//
// The API server writes the fields of a request in a fixed order, with the object after
// everything that identifies it, so an object that is refused for its size or depth can still
// be named.
//
// The texts of the objects are parts of the body, which must not be modified afterward. Whoever keeps
// one of them for longer than the Request must clone it, or it keeps the whole body. What identifies
// the request and its user is copied, as counts and metrics keep such names.
func Review(body []byte, origin decision.Origin) (*decision.Request, error) {
	reader := admissionReader{
		scanner:    &scanner{text: unsafe.String(unsafe.SliceData(body), len(body))},
		unfinished: takeUnfinished(),
		request:    &decision.Request{Origin: origin},
		tooLong:    len(body) > MaxBytes,
	}
	defer reader.release()
	if err := reader.read(); err != nil {
		return nil, err
	}
	r := reader.request
	r.BodyBytes = int64(len(body))
	switch {
	case r.UID == "":
		return nil, &MalformedError{Reason: "request.uid is missing"}
	case r.Operation == "":
		return nil, &MalformedError{Reason: "request.operation is missing"}
	case r.Operation != decision.Create && r.Operation != decision.Update:
		return r, nil
	case r.Object == nil:
		return nil, &MalformedError{Reason: "request.object is missing"}
	}
	return r, settle(r)
}

// settle sets what follows from the objects of a request that the API server has sent or recorded.
func settle(r *decision.Request) error {
	r.Original = r.Object
	r.GenerateName = strings.Clone(stringAt(r.Object, "metadata", "generateName"))
	if r.Name == "" {
		r.Name = strings.Clone(stringAt(r.Object, "metadata", "name"))
	}
	if r.IsNamespace() {
		// The API server sets a Namespace's own name as its namespace, but it is
		// cluster-scoped.
		r.Namespace.Name = ""
	}
	addLastApplied(r)
	return complete(r)
}

// Old returns the request that would have created the stored object of an UPDATE in its current form, so that
// existing violations can be distinguished from new ones. It returns nil if r has no old object.
func Old(r *decision.Request) (*decision.Request, error) {
	if r.OldObject == nil {
		return nil, nil
	}
	old := *r
	old.Object, old.Original, old.OldObject = r.OldObject, r.OldObject, nil
	old.LastApplied, old.OldLastApplied = r.OldLastApplied, nil
	old.Ambiguous, old.OldAmbiguous = r.OldAmbiguous, ""
	old.Workload, old.Claims, old.Revision = nil, nil, nil
	return &old, complete(&old)
}

// admissionReader reads an AdmissionReview.
type admissionReader struct {
	*scanner
	*unfinished
	request *decision.Request
	tooLong bool
}

func (a *admissionReader) read() error {
	var found bool
	err := a.eachMember(func(name string) error {
		if name != "request" {
			return a.skip(1)
		}
		found = true
		return a.eachMember(a.readField)
	})
	var limit *LimitError
	switch {
	case errors.As(err, &limit):
		return err
	case a.tooLong:
		return &LimitError{What: "size", Limit: MaxBytes}
	case errors.Is(err, errSyntax):
		return &MalformedError{Reason: whatIsWrong(a.text)}
	case err != nil:
		return &MalformedError{Reason: err.Error()}
	case !found:
		return &MalformedError{Reason: "request is missing"}
	}
	return nil
}

// whatIsWrong describes where and why a text is not JSON.
func whatIsWrong(text string) string {
	decoder := jsontext.NewDecoder(strings.NewReader(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if err := decoder.SkipValue(); err != nil {
		return err.Error()
	}
	return errSyntax.Error()
}

func (a *admissionReader) readField(name string) (err error) {
	r := a.request
	switch name {
	case "uid":
		r.UID, err = a.readText()
	case "kind":
		r.Kind, err = a.kind()
	case "subResource":
		r.Subresource, err = a.readText()
	case "name":
		r.Name, err = a.readText()
	case "namespace":
		r.Namespace.Name, err = a.readText()
	case "operation":
		var operation string
		operation, err = a.readText()
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
		err = a.skip(2)
	}
	return err
}

func (a *admissionReader) kind() (kind schema.GroupVersionKind, err error) {
	err = a.eachMember(func(name string) (err error) {
		switch name {
		case "group":
			kind.Group, err = a.readText()
		case "version":
			kind.Version, err = a.readText()
		case "kind":
			kind.Kind, err = a.readText()
		default:
			err = a.skip(3)
		}
		return err
	})
	return kind, err
}

func (a *admissionReader) user() (user decision.User, err error) {
	err = a.eachMember(func(name string) error {
		switch name {
		case "username":
			user.Name, err = a.readText()
			return err
		case "uid":
			user.UID, err = a.readText()
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
				user.Extra[strings.Clone(key)] = textsIn(values)
			}
			return err
		}
		return a.skip(3)
	})
	return user, err
}

// textsIn returns copies of the strings in a list and skips other values.
func textsIn(value any) (all []string) {
	list, _ := value.([]any)
	for _, item := range list {
		if text, ok := item.(string); ok {
			all = append(all, strings.Clone(text))
		}
	}
	return all
}

func (a *admissionReader) value() (any, error) {
	reader := a.values()
	return reader.read(0)
}

func (a *admissionReader) values() valueReader {
	return valueReader{scanner: a.scanner, unfinished: a.unfinished}
}

// object reads an object. ambiguous describes what in it can be read in more than one way.
func (a *admissionReader) object() (object map[string]any, ambiguous string, err error) {
	if a.tooLong {
		return nil, "", &LimitError{What: "size", Limit: MaxBytes, Request: a.request}
	}
	reader := a.values()
	reader.leaves = true
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
