package sandbox

import (
	"errors"
	"fmt"
)

// ErrNoTime is returned when a request ended while a user's Policy was being evaluated that had used more steps
// than most objects need. It is the only error that depends on the machine.
var ErrNoTime = errors.New("was stopped because the time of the request was over")

// ErrTooManySteps is wrapped by errors about budgets.
var ErrTooManySteps = errors.New("exceeds its budget")

// StepsError is returned when a user's Policy exhausts its budget for an object.
type StepsError struct {
	// Used is the number of steps at which the evaluation stopped. It is the same on every machine.
	Used int
	// Limit is MaxSteps, or less if the other users' Policies left less of the request's budget.
	Limit int
}

func (e *StepsError) Error() string {
	if e.Limit < MaxSteps {
		return fmt.Sprintf("used more than the %s steps that are left of %s for all users' Policies together", thousands(e.Limit), thousands(maxRequestSteps))
	}
	return fmt.Sprintf("used more than %s steps", thousands(e.Limit))
}

// Unwrap returns ErrTooManySteps.
func (e *StepsError) Unwrap() error { return ErrTooManySteps }

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// ErrTooLarge is wrapped by errors about values that exceed what users' Policies may construct.
var ErrTooLarge = errors.New("is larger than a Policy may make")

// LimitError is returned when a call of a built-in function would take or return too much.
type LimitError struct {
	File string
	Row  int
	// Builtin is the function's name as written in Rego.
	Builtin string
	Reason  string
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s at %s:%d takes or makes %s", e.Builtin, e.File, e.Row, e.Reason)
}

// Unwrap returns ErrTooLarge.
func (e *LimitError) Unwrap() error { return ErrTooLarge }

// errPanic replaces a panic, whose message may quote the object.
var errPanic = errors.New("the evaluation broke off")
