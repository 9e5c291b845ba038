package rego

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/compile"
	"taffrail.dev/webhook/rego/sandbox"
	"taffrail.dev/webhook/resources"
)

// answer has what the rules of one policy have returned. It is nil for a rule that was not evaluated, or that has returned
// no set.
type answer struct {
	deny, inject elements
}

// elements are those of the set that a rule returns.
type elements interface {
	// Len returns how many there are.
	Len() int
	// each calls read with one element after another, in order, until it returns an error.
	each(read func(element) error) error
}

// element is an object that reports a violation or an intent, unless the policy is wrong.
type element interface {
	// value returns the element as a value of package compile.
	value() any
	// size is about how long the element is in JSON, or a little more than maxFinding if it is longer. It is cheap even if
	// value is not.
	size() int
	// text returns a member of the element that is a text, or "".
	text(name string) string
}

// read returns the result that an answer is.
func (a answer) read(s *instance, part Part, r *decision.Request) (decision.Result, error) {
	deny, inject := s.policy.Validates && part != Inject, s.policy.Mutates && part != Deny
	if (!deny || isEmpty(a.deny)) && (!inject || isEmpty(a.inject)) {
		return decision.Result{}, nil
	}
	var result decision.Result
	redactor := &redactor{request: r, user: s.policy.User}
	if deny {
		err := eachOf(s.policy, a.deny, func(object any) error {
			violation, err := newViolation(object, r)
			redactor.violation(&violation)
			result.Violations = append(result.Violations, violation)
			return err
		})
		if more := new(restError); errors.As(err, &more) {
			for _, violation := range more.violations() {
				redactor.violation(&violation)
				result.Violations = append(result.Violations, violation)
			}
		} else if err != nil {
			return decision.Result{}, fmt.Errorf("deny: %w", err)
		}
		if s.policy.User {
			shorten(result.Violations)
		}
	}
	if inject {
		err := eachOf(s.policy, a.inject, func(object any) error {
			intent, err := newIntent(object)
			result.Intents = append(result.Intents, intent)
			return err
		})
		if err != nil {
			return decision.Result{}, fmt.Errorf("inject: %w", err)
		}
	}
	slices.SortFunc(result.Violations, func(a, b decision.Violation) int {
		return cmp.Or(strings.Compare(a.Container, b.Container), strings.Compare(a.Key, b.Key),
			bytes.Compare(a.Digest[:], b.Digest[:]), strings.Compare(a.Message, b.Message))
	})
	slices.SortFunc(result.Intents, func(a, b decision.Intent) int {
		return cmp.Or(strings.Compare(a.Container, b.Container), strings.Compare(a.Field, b.Field), strings.Compare(a.Value, b.Value))
	})
	return result, nil
}

// isEmpty reports whether a rule has returned a set without elements.
func isEmpty(all elements) bool { return all != nil && all.Len() == 0 }

// eachOf calls read with the objects that a rule returns. Of very many it reads the first ones only, and returns a
// *restError; those of a user's policy may be of any size.
func eachOf(policy *Policy, all elements, read func(object any) error) error {
	if all == nil {
		return errNoResult
	}
	taken, more := 0, &restError{most: maxLibraryFindings}
	if policy.User {
		more.most = maxFindings
	}
	err := all.each(func(e element) error {
		if taken == more.most {
			more.add(e)
			return nil
		}
		taken++
		if policy.User && e.size() > maxFinding {
			return fmt.Errorf("an element of %d bytes or more %w", maxFinding, sandbox.ErrTooLarge)
		}
		return readObject(e, read)
	})
	if err == nil && len(more.rests) > 0 {
		return more
	}
	return err
}

func readObject(e element, read func(object any) error) error {
	value := e.value()
	if !compile.IsObject(value) {
		return fmt.Errorf("an element is a %s, not an object", compile.TypeName(value))
	}
	return read(value)
}

func newViolation(object any, r *decision.Request) (decision.Violation, error) {
	var v decision.Violation
	var mode string
	err := compile.Members(object, func(name, value any) (err error) {
		switch field := fieldName(name); field {
		case "msg":
			v.Message, err = text(field, value)
		case "path":
			v.Path, err = text(field, value)
		case "container":
			v.Container, err = text(field, value)
		case "key":
			v.Key, err = text(field, value)
		case "excess":
			v.Excess, err = exactNumber(field, value)
		case "at_most":
			mode, err = text(field, value)
		case "unknown":
			v.Unknown, err = text(field, value)
		case "fix":
			v.Fix, err = newFix(value, r.Original)
		default:
			err = fmt.Errorf("a finding has the unknown field %q", field)
		}
		return err
	})
	if err != nil {
		return v, err
	}
	if v.Message == "" || v.Path == "" {
		return v, fmt.Errorf("a finding lacks msg or path")
	}
	if mode != "" {
		if v.AtMost, err = decision.ParseMode(mode); err != nil {
			return v, fmt.Errorf("at_most: %w", err)
		}
	}
	if v.Key == "" {
		v.Key = stableKey(r.Object, v.Path)
	}
	return v, nil
}

func newIntent(object any) (decision.Intent, error) {
	var i decision.Intent
	err := compile.Members(object, func(name, value any) (err error) {
		switch field := fieldName(name); field {
		case "container":
			i.Container, err = text(field, value)
		case "field":
			i.Field, err = text(field, value)
		case "value":
			i.Value, err = text(field, value)
		default:
			err = fmt.Errorf("an intent has the unknown field %q", field)
		}
		return err
	})
	if err != nil {
		return i, err
	}
	if i.Container == "" {
		return i, fmt.Errorf("an intent lacks its container")
	}
	if _, err := resources.ParseField(i.Field); err != nil {
		return i, err
	}
	if _, err := resource.ParseQuantity(i.Value); err != nil {
		return i, errors.New("the value of an intent is not a quantity") // not quoted: it may be any value of the object
	}
	return i, nil
}

// fieldName returns the name of a field, or its type if it is no text.
func fieldName(name any) string {
	if text, ok := name.(string); ok {
		return text
	}
	return compile.TypeName(name)
}

func text(field string, value any) (string, error) {
	text, ok := value.(string)
	if !ok {
		return "", fmt.Errorf("%s is a %s, not a string", field, compile.TypeName(value))
	}
	return text, nil
}

func exactNumber(field string, value any) (json.Number, error) {
	number, ok := compile.Number(value)
	if !ok {
		return "", fmt.Errorf("%s is a %s, not a number", field, compile.TypeName(value))
	}
	return number, nil
}

// stableKey replaces the indices in a path with names, so that a violation keeps its key when its container
// moves within the list.
func stableKey(object map[string]any, path string) string {
	if !strings.Contains(path, "[") {
		return path
	}
	var key strings.Builder
	var at any = object
	for written, name := range decision.FieldPath(path).Steps() {
		_, isList := at.([]any)
		at = decision.Member(at, name)
		if label, ok := decision.Member(at, "name").(string); isList && ok {
			written = "[" + label + "]"
		}
		key.WriteString(written)
	}
	return key.String()
}
