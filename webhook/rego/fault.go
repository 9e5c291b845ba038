package rego

import (
	"errors"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"taffrail.dev/webhook/rego/sandbox"
)

// CodeSize is the code of a SourceError about a module that is too long.
const CodeSize = sandbox.CodeSize

// The other codes that Taffrail defines, besides those of package sandbox. All others are OPA's, such as
// rego_type_error.
const (
	codeName     = "policy_name_error"
	codePackage  = "policy_package_error"
	codeRule     = "policy_rule_error"
	codeNegation = "policy_negation_error"
)

// SourceError reports one fault in the Rego of a policy.
type SourceError struct {
	// File is a path of the library, or Policy/<name>.
	File string
	// Row is 0 if the fault is not on a particular line.
	Row    int
	Code   string
	Reason string
}

func (e *SourceError) Error() string {
	return fmt.Sprintf("%s: %s: %s", position(e.File, e.Row), e.Code, e.Reason)
}

// position returns a file, with the row if it is known.
func position(file string, row int) string {
	if row <= 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, row)
}

// sourceErrors converts each error of OPA's parser and compiler to a *SourceError. It returns other errors
// unchanged.
func sourceErrors(err error) error {
	var list ast.Errors
	var one *ast.Error
	switch {
	case errors.As(err, &list):
	case errors.As(err, &one):
		list = ast.Errors{one}
	default:
		return err
	}
	var faults []error
	for _, fault := range list {
		faults = append(faults, sourceError(fault))
	}
	return errors.Join(faults...)
}

func sourceError(fault *ast.Error) *SourceError {
	e := &SourceError{Code: fault.Code, Reason: fault.Message}
	if fault.Location != nil {
		e.File, e.Row = fault.Location.File, fault.Location.Row
	}
	if fault.Details != nil {
		e.Reason = strings.Join(append([]string{e.Reason}, fault.Details.Lines()...), "\n\t")
	}
	return e
}

// Errors takes joined errors apart, as those of a Policy are.
func Errors(err error) []error {
	var joined interface{ Unwrap() []error }
	switch {
	case err == nil:
		return nil
	case errors.As(err, &joined):
		return joined.Unwrap()
	}
	return []error{err}
}
