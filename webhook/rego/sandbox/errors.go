package sandbox

import (
	"errors"
	"fmt"
)

// ErrNoTime is returned when a request ended while a user's Policy was being evaluated that had used more steps
// than most objects need. It is the only error that depends on the machine.
var ErrNoTime = errors.New("was stopped because the request ran out of time")

// ErrTooManySteps is returned when a user's Policy exhausts its budget for an object.
var ErrTooManySteps = errors.New("exceeds its budget")

// ErrTooLarge is wrapped by errors about values that exceed what users' Policies may construct.
var ErrTooLarge = errors.New("is larger than a Policy may produce")

// LimitError is returned when a call of a built-in function would take or return too much.
type LimitError struct {
	File string
	Row  int
	// Builtin is the function's name as written in Rego.
	Builtin string
	Reason  string
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s at %s:%d takes or returns %s", e.Builtin, e.File, e.Row, e.Reason)
}

// Unwrap returns ErrTooLarge.
func (e *LimitError) Unwrap() error { return ErrTooLarge }

// errPanic replaces a panic, whose message may quote the object.
var errPanic = errors.New("the evaluation was aborted")
