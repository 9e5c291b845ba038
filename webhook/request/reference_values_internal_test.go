package request

import (
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// referenceValues builds the same values as encoding/json, except that integers are int64, as in
// Kubernetes' decoder. The last of several values for the same name wins, as it does there; but
// other parsers may choose another one, so the reader records the ambiguity.
type referenceValues struct {
	decoder *jsontext.Decoder
	// ambiguous describes what can be read in more than one way; empty if nothing can.
	ambiguous string
	// member is the name of the outermost member that is read.
	member string
}

func (r *referenceValues) read(depth int) (any, error) {
	d := r.decoder
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case 'n':
		return nil, nil
	case 't':
		return true, nil
	case 'f':
		return false, nil
	case '"':
		return token.String(), nil
	case '0':
		return r.number(token.String()), nil
	case '{':
		return r.members(depth)
	case '[':
		return r.elements(depth)
	}
	return nil, fmt.Errorf("unexpected token %s", token.Kind())
}

func (r *referenceValues) members(depth int) (map[string]any, error) {
	d := r.decoder
	if depth >= MaxDepth {
		return nil, errTooDeep
	}
	object := map[string]any{}
	for d.PeekKind() != '}' {
		token, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		name := token.String()
		if depth == 0 {
			r.member = name
		}
		before := r.ambiguous
		value, err := r.read(depth + 1)
		if err != nil {
			return nil, err
		}
		if _, isArray := value.([]any); isArray && depth == 1 && name == "managedFields" && r.member == "metadata" {
			r.ambiguous = before
		}
		if _, twice := object[name]; twice {
			if depth == 0 {
				// The API server only leaves raw JSON inside an object unnormalized, so this
				// does not come from it.
				return nil, fmt.Errorf("the name %q occurs twice in one object", name)
			}
			r.remember(fmt.Sprintf("the name %q occurs twice in one object", shortened(name)))
		}
		object[name] = value
	}
	_, err := d.ReadToken()
	return object, err
}

func (r *referenceValues) elements(depth int) ([]any, error) {
	d := r.decoder
	if depth >= MaxDepth {
		return nil, errTooDeep
	}
	array := []any{}
	for d.PeekKind() != ']' {
		value, err := r.read(depth + 1)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	_, err := d.ReadToken()
	return array, err
}

// number returns nil if the number exceeds the range of float64. Decoders of consumers reject
// such a number.
func (r *referenceValues) number(text string) any {
	if integer, err := strconv.ParseInt(text, 10, 64); err == nil {
		return integer
	}
	float, err := strconv.ParseFloat(text, 64)
	if err != nil {
		r.remember("a number is too large for any decoder")
		return nil
	}
	return float
}

func (r *referenceValues) remember(what string) {
	if r.ambiguous == "" {
		r.ambiguous = what
	}
}
