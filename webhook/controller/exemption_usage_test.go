package controller

import (
	"testing"
	"time"

	"github.com/go-logr/logr"

	"taffrail.dev/webhook/audit"
)

// A count belongs to one configuration and the Exemptions in it.
func TestUsageIsOfOneConfiguration(t *testing.T) {
	u := newExemptionUsage(exemptionUsageOptions{trigger: newTrigger(0), log: logr.Discard()})
	if found, _ := u.of("a", "legacy"); found != nil {
		t.Errorf("before anything was counted: %+v", found)
	}
	u.last.Store(&usageCount{snapshot: "a", at: midnight, excuses: map[string]*audit.ExemptionUsage{"legacy": {Findings: 7}}})
	if found, at := u.of("a", "legacy"); found == nil || found.Findings != 7 || !at.Equal(midnight) {
		t.Errorf("got %+v at %s", found, at)
	}
	for snapshot, name := range map[string]string{"b": "legacy", "a": "other"} {
		if found, _ := u.of(snapshot, name); found != nil {
			t.Errorf("%s, %s: got %+v", snapshot, name, found)
		}
	}
}

// An expired Exemption exempts nothing: no objects are read for it, but its status is written.
func TestExpiredExemptionsAreNotCounted(t *testing.T) {
	compiled := &outcome{snapshot: exempting(t, map[string]time.Time{"gone": midnight})}
	status := newTrigger(0)
	notified := fired(t, status)
	u := newExemptionUsage(exemptionUsageOptions{
		trigger: newTrigger(0), notify: status, compiled: func() *outcome { return compiled }, // no scanner
		interval: time.Hour, now: func() time.Time { return midnight }, log: logr.Discard(),
	})
	again, err := u.loop.attempt(t.Context())
	if err != nil || again != time.Hour || u.last.Load().snapshot != compiled.snapshot.ID() {
		t.Errorf("again in %s, %v, counted %+v", again, err, u.last.Load())
	}
	<-notified

	// With an Exemption in force it would read objects, and panic without a scanner.
	u.now = func() time.Time { return midnight.Add(-time.Second) }
	if _, err := u.loop.attempt(t.Context()); err == nil {
		t.Error("an Exemption in force is not counted")
	}
}
