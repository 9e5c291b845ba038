package normalize

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

var errTooDeep = errors.New("too deep")

// readValue builds what encoding/json would, with two differences: integers stay
// int64, as Kubernetes' own decoder has it, and a name that comes twice is an error,
// because two parsers may disagree on which one counts.
func readValue(d *jsontext.Decoder, depth int) (any, error) {
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
		return number(token.String())
	case '{':
		return readMembers(d, depth)
	case '[':
		return readElements(d, depth)
	}
	return nil, fmt.Errorf("unexpected token %s", token.Kind())
}

func readMembers(d *jsontext.Decoder, depth int) (map[string]any, error) {
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
		value, err := readValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		if _, twice := object[name]; twice {
			return nil, fmt.Errorf("the name %q comes twice in one object", name)
		}
		object[name] = value
	}
	_, err := d.ReadToken()
	return object, err
}

func readElements(d *jsontext.Decoder, depth int) ([]any, error) {
	if depth >= MaxDepth {
		return nil, errTooDeep
	}
	array := []any{}
	for d.PeekKind() != ']' {
		value, err := readValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	_, err := d.ReadToken()
	return array, err
}

func number(text string) (any, error) {
	if integer, err := strconv.ParseInt(text, 10, 64); err == nil {
		return integer, nil
	}
	return strconv.ParseFloat(text, 64)
}
