package rego

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/resources"
)

// of extracts one policy's result from the answer of an entry's query.
func (a answer) of(s *instance, part Part, r *decision.Request) (decision.Result, error) {
	share := answer{}
	if s.policy.Validates && part != Inject {
		if share.deny = member(a.deny, s.id); share.deny == nil {
			return decision.Result{}, errNoResult
		}
	}
	if s.policy.Mutates && part != Deny {
		if share.inject = member(a.inject, s.id); share.inject == nil {
			return decision.Result{}, errNoResult
		}
	}
	return share.alone(s, part, r)
}

func member(object ast.Value, name *ast.Term) ast.Value {
	members, ok := object.(ast.Object)
	if !ok {
		return nil
	}
	term := members.Get(name)
	if term == nil {
		return nil
	}
	return term.Value
}

// alone reads the answer of a query for a single policy.
func (a answer) alone(s *instance, part Part, r *decision.Request) (decision.Result, error) {
	var result decision.Result
	redactor := &redactor{request: r, user: s.policy.User}
	elements := eachObject
	if s.policy.User {
		elements = eachOfUser
	}
	if s.policy.Validates && part != Inject {
		err := elements(a.deny, func(element ast.Object) error {
			violation, err := newViolation(element, r)
			redactor.violation(&violation)
			result.Violations = append(result.Violations, violation)
			return err
		})
		if more := new(moreError); errors.As(err, &more) {
			result.Violations = append(result.Violations, more.violation(result.Violations))
		} else if err != nil {
			return decision.Result{}, fmt.Errorf("deny: %w", err)
		}
		if s.policy.User {
			shorten(result.Violations)
		}
	}
	if s.policy.Mutates && part != Deny {
		err := elements(a.inject, func(element ast.Object) error {
			intent, err := newIntent(element)
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

func eachObject(value ast.Value, read func(ast.Object) error) error {
	set, ok := value.(ast.Set)
	if !ok {
		return errNoResult
	}
	return set.Iter(func(element *ast.Term) error {
		object, ok := element.Value.(ast.Object)
		if !ok {
			return fmt.Errorf("an element is a %s, not an object", ast.ValueName(element.Value))
		}
		return read(object)
	})
}

func newViolation(object ast.Object, r *decision.Request) (decision.Violation, error) {
	var v decision.Violation
	var mode string
	err := object.Iter(func(name, value *ast.Term) (err error) {
		switch field := string(name.Value.(ast.String)); field {
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
			v.Fix, err = newFix(value.Value, r.Original)
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

func newIntent(object ast.Object) (decision.Intent, error) {
	var i decision.Intent
	err := object.Iter(func(name, value *ast.Term) (err error) {
		switch field := string(name.Value.(ast.String)); field {
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

func text(field string, term *ast.Term) (string, error) {
	value, ok := term.Value.(ast.String)
	if !ok {
		return "", fmt.Errorf("%s is a %s, not a string", field, ast.ValueName(term.Value))
	}
	return string(value), nil
}

func exactNumber(field string, term *ast.Term) (json.Number, error) {
	value, ok := term.Value.(ast.Number)
	if !ok {
		return "", fmt.Errorf("%s is a %s, not a number", field, ast.ValueName(term.Value))
	}
	return json.Number(value), nil
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
