package replay_test

import (
	"fmt"
	"strings"
	"testing"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/replay"
	"taffrail.dev/webhook/replay/auditlog"
)

func TestUpdatesAreComparedWithTheObjectBefore(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
	want(t, "a violation", l.write("create", "apps/deployments", "web", deployment(bad)), decision.VerdictDeny)
	scaled := deployment(bad)
	scaled["spec"].(map[string]any)["replicas"] = 2
	o := want(t, "the same violation", l.write("patch", "apps/deployments", "web", scaled), decision.VerdictWarn)
	if f := o.Validating.Findings[0]; f.Tolerated == "" {
		t.Errorf("%+v", f)
	}
	want(t, "no violation", l.write("update", "apps/deployments", "web", deployment(good)), decision.VerdictAllow)
	want(t, "the violation again", l.write("update", "apps/deployments", "web", deployment(bad)), decision.VerdictDeny)

	other := deployment(bad)
	other["metadata"].(map[string]any)["uid"] = "u2"
	r := l.write("update", "apps/deployments", "web", other)
	if o := want(t, "another object of the name", r, decision.VerdictUnknown); !strings.Contains(o.Validating.Findings[0].Unknown, "may already have it") {
		t.Errorf("%+v", o.Validating.Findings)
	}
}

func TestAnUpdateBeforeTheLogKnowsTheObjectIsARange(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
	o := want(t, "a violation", l.write("update", "apps/deployments", "web", deployment(bad)), decision.VerdictUnknown)
	if f := o.Validating.Findings[0]; f.WouldDeny || f.Unknown == "" {
		t.Errorf("%+v", f)
	}
	// From here on, the object is known.
	want(t, "the same violation", l.write("patch", "apps/deployments", "web", deployment(bad)), decision.VerdictWarn)
	want(t, "without a violation nothing is unknown", newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")}).
		write("update", "apps/deployments", "web", deployment(good)), decision.VerdictAllow)
}

func TestScaleIsKnown(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "min-replicas")})
	namespaceOf(l, nil)
	d := deployment(good)
	d["spec"].(map[string]any)["replicas"] = 3
	want(t, "three replicas", l.write("create", "apps/deployments", "web", d), decision.VerdictAllow)
	l.version++
	l.write("update", "apps/deployments", "web", nil, func(e *auditlog.Event) {
		e.Object.Subresource = "scale"
		e.ResponseObject = fmt.Appendf(nil, `{"kind":"Scale","metadata":{"resourceVersion":"%d"},"spec":{"replicas":1}}`, l.version)
	})
	d["spec"].(map[string]any)["replicas"] = 1
	d["metadata"].(map[string]any)["annotations"] = map[string]any{"a": "b"}
	want(t, "it has had one replica already", l.write("update", "apps/deployments", "web", d), decision.VerdictWarn)
}

// Nothing is refused for what would have been injected.
func TestInjection(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "inject-resources", "require-resources")})
	namespaceOf(l, nil)
	o := want(t, "a Pod without resources", l.write("create", "pods", "web", pod(good)), decision.VerdictAllow)
	if len(o.Mutating.Patch) == 0 || len(o.Mutating.Fills) == 0 || len(o.Validating.Findings) != 0 {
		t.Errorf("%+v", o)
	}
	l = newLog(t, replay.Options{Snapshot: snapshot(t, "require-resources")})
	namespaceOf(l, nil)
	want(t, "without injection", l.write("create", "pods", "web", pod(good)), decision.VerdictDeny)
}

// Events may arrive out of order. An older state never replaces a newer one.
func TestOutOfOrder(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
	l.write("create", "apps/deployments", "web", deployment(good))
	l.version = 200
	l.write("update", "apps/deployments", "web", deployment(bad))
	l.version = 150
	want(t, "an older update", l.write("update", "apps/deployments", "web", deployment(bad)), decision.VerdictUnknown)
	l.version = 300
	want(t, "compared with the newest", l.write("update", "apps/deployments", "web", deployment(bad)), decision.VerdictWarn)

	generation := func(n int) map[string]any {
		d := deployment(bad)
		d["metadata"].(map[string]any)["generation"] = n
		return d
	}
	l.write("update", "apps/deployments", "web", generation(5))
	want(t, "an update in between is not in the log", l.write("update", "apps/deployments", "web", generation(7)), decision.VerdictUnknown)
}

// The version that a client has changed shows whether the log has the state right before the update.
func TestVersionsThatWereChanged(t *testing.T) {
	for what, test := range map[string]struct {
		based   string
		edit    func(metadata map[string]any)
		verdict decision.Verdict
	}{
		"the one in the log": {"101", func(map[string]any) {}, decision.VerdictWarn},
		"none":               {"", func(map[string]any) {}, decision.VerdictWarn},
		"an earlier one":     {"90", func(map[string]any) {}, decision.VerdictUnknown},
		"one in between":     {"150", func(map[string]any) {}, decision.VerdictUnknown},
		"one in between that has changed only the status": {"150", func(m map[string]any) { m["generation"] = 3 }, decision.VerdictWarn},
		"one in between that may have changed labels": {"150", func(m map[string]any) {
			m["generation"], m["labels"] = 3, map[string]any{"a": "b"}
		}, decision.VerdictUnknown},
	} {
		l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
		first, second := deployment(bad), deployment(bad)
		first["metadata"].(map[string]any)["generation"] = 3
		l.write("create", "apps/deployments", "web", first)
		test.edit(second["metadata"].(map[string]any))
		l.version = 200
		want(t, what, l.write("update", "apps/deployments", "web", second, func(e *auditlog.Event) { e.Object.ResourceVersion = test.based }), test.verdict)
	}
}

func TestMemoryIsLimited(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag"), Memory: 4 << 10})
	for i := range 20 {
		d := deployment(bad)
		d["metadata"].(map[string]any)["uid"] = fmt.Sprint("u", i)
		d["metadata"].(map[string]any)["name"] = fmt.Sprint("web-", i)
		l.write("create", "apps/deployments", fmt.Sprint("web-", i), d)
	}
	if n := l.replayer.Evicted(); n < 10 || n > 21 {
		t.Errorf("%d evicted", n)
	}
	last, first := deployment(bad), deployment(bad)
	last["metadata"].(map[string]any)["uid"], first["metadata"].(map[string]any)["uid"] = "u19", "u0"
	want(t, "the last one is known", l.write("update", "apps/deployments", "web-19", last), decision.VerdictWarn)
	want(t, "the first one is not", l.write("update", "apps/deployments", "web-0", first), decision.VerdictUnknown)
}

func TestAgainst(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "require-probes"), Against: snapshot(t, "image-tag")})
	c := replay.NewCollector(replay.CollectorOptions{Against: true})
	for _, image := range []string{bad, good} {
		r := l.write("create", "apps/deployments", "web", deployment(image))
		c.Add(&r)
	}
	report := c.Report(&auditlog.Stats{}, 0)
	changes := report.Changes
	if changes.NewlyDenied != 0 || changes.NoLongerDenied != 1 || changes.OtherMode != 1 || len(changes.Workloads) != 2 {
		t.Fatalf("%+v", changes)
	}
	if first := changes.Workloads[0]; first.What != replay.NoLongerDenied || first.Before != decision.VerdictDeny || first.Verdict != decision.VerdictAllow ||
		len(first.Findings) != 0 || first.Removed[0].Policy != "require-probes" {
		t.Errorf("%+v", first)
	}
	if second := changes.Workloads[1]; second.Findings[0].Policy != "image-tag" || second.Removed[0].Policy != "require-probes" {
		t.Errorf("%+v", second)
	}
}
