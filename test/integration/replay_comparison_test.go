package integration

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/replay"
	"taffrail.dev/webhook/replay/auditlog"
)

// recorded returns what Taffrail has recorded about a write, by path and policy.
func recorded(e *auditlog.Event) map[string]string {
	found := map[string]string{}
	for key, value := range e.Annotations {
		webhook, policy, _ := strings.Cut(key, "/")
		switch {
		case webhook == "mutate.taffrail.dev":
			found["/mutate "+policy] = value
		case strings.HasSuffix(webhook, "validate.taffrail.dev"):
			found["/validate "+policy] = value
		}
	}
	return found
}

// unannotated returns a write without what Taffrail has recorded about it.
func unannotated(e *auditlog.Event) *auditlog.Event {
	copied := *e
	copied.Annotations = maps.Clone(e.Annotations)
	maps.DeleteFunc(copied.Annotations, func(key, _ string) bool {
		webhook, _, _ := strings.Cut(key, "/")
		return strings.HasSuffix(webhook, "taffrail.dev")
	})
	return &copied
}

// predicted returns what a replay says, and the keys about which it is not certain.
func predicted(o *replay.Outcome) (found, uncertain map[string]string) {
	found, uncertain = map[string]string{}, map[string]string{}
	for path, d := range map[string]*decision.Decision{"/mutate ": o.Mutating, "/validate ": o.Validating} {
		if d == nil {
			continue
		}
		for policy, text := range d.Annotations() {
			found[path+policy] = text
		}
		for i := range d.Findings {
			if why := d.Findings[i].Unknown; why != "" {
				uncertain[path+d.Findings[i].Policy] = why
			}
		}
	}
	return found, uncertain
}

// comparison is a replay next to what Taffrail has recorded.
type comparison struct {
	statuses map[replay.Status]int
	reasons  map[string]int
	verbs    map[string]int
	// compared counts the decided writes, annotated those about which Taffrail has recorded something, and equal the
	// annotations that are certain in the replay and equal.
	compared, annotated, equal, uncertain int
	// raced counts the differences in writes that overlap with an earlier one of the same object. The API server repeats
	// such a write, and keeps what was recorded about the first attempt.
	raced int
	// differing has the writes that differ.
	differing []string
}

// compare replays writes, and compares them with what Taffrail has recorded about them. logged returns a write as it
// is in the log that is replayed.
func compare(t *testing.T, events []*auditlog.Event, logged func(*auditlog.Event) *auditlog.Event) *comparison {
	t.Helper()
	r := replayer(t, decision.ModeAudit)
	c := &comparison{statuses: map[replay.Status]int{}, reasons: map[string]int{}, verbs: map[string]int{}}
	completed := map[auditlog.ObjectRef]time.Time{}
	for _, e := range events {
		result := r.Write(t.Context(), logged(e))
		if e.Object.Namespace != replayAudited {
			continue
		}
		key := auditlog.ObjectRef{Resource: e.Object.Resource, Name: e.Object.Name}
		raced := e.Received.Before(completed[key])
		completed[key] = e.Completed
		c.statuses[result.Status]++
		if text := c.difference(e, &result); text == "" {
			continue
		} else if raced {
			c.raced++
		} else {
			c.differing = append(c.differing, fmt.Sprintf("%s %s/%s %s by %s, audit ID %s, %s (-recorded +replayed):\n%s",
				e.Verb, e.Object.Resource, e.Object.Subresource, e.Object.Name, e.User.Username, e.AuditID, result.Status, text))
		}
	}
	return c
}

// difference returns how a result differs from what Taffrail has recorded, or "".
func (c *comparison) difference(e *auditlog.Event, result *replay.Result) string {
	want, got, uncertain := recorded(e), map[string]string{}, map[string]string{}
	switch result.Status {
	case replay.StatusUnknown:
		c.reasons["the write: "+result.Reason]++
		return ""
	case replay.StatusDryRun:
		return ""
	case replay.StatusUnreached:
		maps.DeleteFunc(want, func(key, _ string) bool { return strings.HasPrefix(key, "/mutate ") }) // that comes before
		if e.Status.Reason == string(metav1.StatusReasonConflict) {
			return "" // it may be noticed at the first attempt to store the object, which is after /validate
		}
	case replay.StatusNotSent:
	case replay.StatusDecided:
		c.verbs[e.Verb+" "+e.Object.Resource+"/"+e.Object.Subresource]++
		if err := result.Outcomes[0].Err; err != nil {
			return err.Error()
		}
		got, uncertain = predicted(&result.Outcomes[0])
		c.compared++
		if len(want) > 0 {
			c.annotated++
		}
	}
	for key, why := range uncertain {
		if want[key] != "" || got[key] != "" {
			c.reasons["a policy: "+why]++
			c.uncertain++
		}
		delete(want, key)
		delete(got, key)
	}
	c.equal += len(want)
	return diff(want, got)
}

// report prints the comparison, and fails the test if anything differs.
func (c *comparison) report(t *testing.T) {
	t.Helper()
	t.Logf("writes in %s: %v; decided %d, of which Taffrail had something to say about %d; %d annotations compared, %d uncertain; %d writes differ, and %d that overlap with others",
		replayAudited, c.statuses, c.compared, c.annotated, c.equal, c.uncertain, len(c.differing), c.raced)
	for _, reason := range slices.Sorted(maps.Keys(c.reasons)) {
		t.Logf("unknown %5d: %s", c.reasons[reason], reason)
	}
	for _, verb := range slices.Sorted(maps.Keys(c.verbs)) {
		t.Logf("decided %5d: %s", c.verbs[verb], verb)
	}
	for _, text := range c.differing[:min(len(c.differing), 10)] {
		t.Error(text)
	}
	if c.raced > c.compared/100 {
		t.Errorf("%d differences are excused because writes overlap", c.raced)
	}
}
