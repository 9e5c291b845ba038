package decision_test

import (
	"errors"
	"strings"
	"testing"

	"taffrail.dev/webhook/decision"
)

func TestPanicTextQuotesNoObject(t *testing.T) {
	cause := func(f func()) (cause any) {
		defer func() { cause = recover() }()
		f()
		return nil
	}
	var none []int
	if got := decision.PanicText(cause(func() { _ = none[len(none)] })); !strings.Contains(got, "index out of range [0]") {
		t.Errorf("got %q", got)
	}
	for want, panicked := range map[string]any{"string": "hunter2", "*errors.errorString": errors.New("hunter2")} {
		if got := decision.PanicText(cause(func() { panic(panicked) })); got != want {
			t.Errorf("got %q", got)
		}
	}
}
