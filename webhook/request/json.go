package request

import (
	"errors"
	"fmt"
	"strconv"

	"taffrail.dev/webhook/decision"
)

var errTooDeep = errors.New("too deep")

// valueReader builds the same values as encoding/json, except that integers are int64, as in
// Kubernetes' decoder. The last of several values for the same name wins, as it does there; but
// other parsers may choose another one, so the reader records the ambiguity.
type valueReader struct {
	*scanner
	*unfinished
	// ambiguous describes what can be read in more than one way; empty if nothing can.
	ambiguous string
	// leaves is true for an object of which what is hardly ever read is left unread.
	leaves bool
	// member is the name of the outermost member that is read.
	member string
}

func (r *valueReader) read(depth int) (any, error) {
	switch kindOf(r.next()) {
	case 'n':
		return nil, r.literal("null")
	case 't':
		return true, r.literal("true")
	case 'f':
		return false, r.literal("false")
	case '"':
		return r.string()
	case '0':
		text, err := r.number()
		if err != nil {
			return nil, err
		}
		return r.numberOf(text), nil
	case '{':
		return r.readMembers(depth)
	case '[':
		return r.readElements(depth)
	}
	return nil, errSyntax
}

func (r *valueReader) readMembers(depth int) (map[string]any, error) {
	if depth >= MaxDepth {
		return nil, errTooDeep
	}
	object := r.beginObject()
	for more := r.begin('}'); more; {
		name, err := r.name()
		if err != nil {
			return nil, err
		}
		value, err := r.readMember(name, depth)
		if err != nil {
			return nil, err
		}
		if twice := object.set(name, value); twice {
			if depth == 0 {
				// The API server only leaves raw JSON inside an object unnormalized, so this
				// does not come from it.
				return nil, fmt.Errorf("the name %q occurs twice in one object", name)
			}
			r.remember(fmt.Sprintf("the name %q occurs twice in one object", shortened(name)))
		}
		if more, err = r.more('}'); err != nil {
			return nil, err
		}
	}
	return object.end(), nil
}

// readMember reads the value of a member. metadata.managedFields stays unread: see decision.Unread. It is not
// searched for what can be read in more than one way, because nothing depends on how it is read.
func (r *valueReader) readMember(name string, depth int) (any, error) {
	switch {
	case depth == 0:
		r.member = name
	case r.leaves && depth == 1 && name == "managedFields" && r.member == "metadata" && r.next() == '[':
		from := r.at
		if err := r.skipWithin(depth+1, MaxDepth, errTooDeep); err != nil {
			return nil, err
		}
		return decision.NewUnread(r.text[from:r.at], decoded), nil
	}
	return r.read(depth + 1)
}

// decoded returns the value of a text that has been skipped.
func decoded(text string) any {
	reader := valueReader{scanner: &scanner{text: text}, unfinished: takeUnfinished()}
	defer reader.release()
	value, _ := reader.read(0) // it is JSON
	return value
}

func (r *valueReader) readElements(depth int) ([]any, error) {
	if depth >= MaxDepth {
		return nil, errTooDeep
	}
	from := len(r.elements)
	for more := r.begin(']'); more; {
		value, err := r.read(depth + 1)
		if err != nil {
			return nil, err
		}
		r.elements = append(r.elements, value)
		if more, err = r.more(']'); err != nil {
			return nil, err
		}
	}
	array := make([]any, len(r.elements)-from)
	copy(array, r.elements[from:])
	r.elements = r.elements[:from]
	return array, nil
}

// numberOf returns nil if the number exceeds the range of float64. Decoders of consumers reject
// such a number.
func (r *valueReader) numberOf(text string) any {
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

func (r *valueReader) remember(what string) {
	if r.ambiguous == "" {
		r.ambiguous = what
	}
}

// shortened limits how much of a text from the object is included in a message.
func shortened(text string) string {
	const most = 40
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
