package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestAuditFailuresAreLimited(t *testing.T) {
	var f auditFailures
	for i := range maxFailures + 2 {
		f.add("Pod shop/a", "was not decided", "were not decided", fmt.Errorf("reason %d", i))
	}
	f.add("Pod shop/b", "was not decided", "were not decided", errors.New("reason 0"))
	got := errors.Join(f.errors()...).Error()
	lines := strings.Split(got, "\n")
	if len(lines) != maxFailures+1 || lines[0] != "2 objects, such as Pod shop/a, were not decided: reason 0" || lines[1] != "Pod shop/a was not decided: reason 1" ||
		lines[maxFailures] != "2 more objects were not decided, or not in full, for 2 more reasons" {
		t.Errorf("got:\n%s", got)
	}
}

func TestUnreadFactsAreLimited(t *testing.T) {
	errs := make([]error, maxFailures+2)
	for i := range errs {
		errs[i] = fmt.Errorf("namespace %d", i)
	}
	got := firstErrors(errs)
	if len(got) != maxFailures+1 || got[maxFailures].Error() != "you are not permitted to read 2 more of what decisions depend on" || len(firstErrors(errs[:maxFailures])) != maxFailures {
		t.Errorf("%v", got)
	}
}
