package pipeline

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"taffrail.dev/test/property"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
)

func excessive(key string, excess json.Number) decision.Result {
	result := violation(key)
	result.Violations[0].Excess = excess
	return result
}

func twice(result decision.Result) decision.Result {
	result.Violations = slices.Repeat(result.Violations, 2)
	return result
}

func TestTolerateExisting(t *testing.T) {
	capped, undecided := violation("k"), violation("k")
	capped.Violations[0].AtMost = decision.ModeWarn
	undecided.Violations[0].Unknown = "a fact is missing"
	for name, test := range map[string]struct {
		before, after decision.Result
		existing      v1alpha1.Existing
		want          decision.Verdict
	}{
		"had it":                         {violation("k"), violation("k"), v1alpha1.ExistingTolerate, decision.VerdictWarn},
		"had it, by default":             {violation("k"), violation("k"), "", decision.VerdictWarn},
		"had it, not tolerated":          {violation("k"), violation("k"), v1alpha1.ExistingEnforce, decision.VerdictDeny},
		"had another":                    {violation("other"), violation("k"), "", decision.VerdictDeny},
		"had none":                       {decision.Result{}, violation("k"), "", decision.VerdictDeny},
		"as far from right":              {excessive("k", "2"), excessive("k", "2.0"), "", decision.VerdictWarn},
		"nearer to right":                {excessive("k", "10"), excessive("k", "9"), "", decision.VerdictWarn},
		"farther from right":             {excessive("k", "9"), excessive("k", "10"), "", decision.VerdictDeny},
		"farther below nothing":          {excessive("k", "-2"), excessive("k", "-1"), "", decision.VerdictDeny},
		"nearer, past what a float has":  {excessive("k", "9007199254740993"), excessive("k", "9007199254740992"), "", decision.VerdictWarn},
		"farther, past what a float has": {excessive("k", "9007199254740992"), excessive("k", "9007199254740993"), "", decision.VerdictDeny},
		"farther, past what an int has":  {excessive("k", "99999999999999999999998"), excessive("k", "99999999999999999999999"), "", decision.VerdictDeny},
		"from no bound to some":          {violation("k"), excessive("k", "1000"), "", decision.VerdictWarn},
		"from some bound to none":        {excessive("k", "1000"), violation("k"), "", decision.VerdictDeny},
		"as often":                       {twice(violation("k")), twice(violation("k")), "", decision.VerdictWarn},
		"once less":                      {twice(violation("k")), violation("k"), "", decision.VerdictWarn},
		"once more":                      {violation("k"), twice(violation("k")), "", decision.VerdictDeny},
		"was but a warning":              {capped, violation("k"), "", decision.VerdictDeny},
		"was not decided":                {undecided, violation("k"), "", decision.VerdictDeny},
	} {
		t.Run(name, func(t *testing.T) {
			e := evidenceOf(t, service(decision.Update), asked{guardrail: "g", mode: decision.ModeEnforce, result: test.after, existing: test.existing})
			updates(&e, test.before)
			d := decideOn(t, e)
			if d.Verdict != test.want || (d.Findings[0].Tolerated != "") != (test.want == decision.VerdictWarn) {
				t.Errorf("got %+v", d)
			}
		})
	}
}

func TestADenialSaysThatItGotWorse(t *testing.T) {
	e := evidenceOf(t, service(decision.Update), asked{guardrail: "g", mode: decision.ModeEnforce, result: excessive("k", "3")})
	updates(&e, excessive("k", "2"))
	if words := decideOn(t, e).Denial("Service shop/web"); !strings.Contains(words, "worse than in the stored object") {
		t.Errorf("got %s", words)
	}
}

// A violation under one set of parameters does not excuse one under another.
func TestEachBindingHasItsOwnPast(t *testing.T) {
	e := evidenceOf(t, service(decision.Update),
		asked{guardrail: "loose", mode: decision.ModeEnforce, result: violation("replicas")},
		asked{guardrail: "strict", mode: decision.ModeEnforce, result: violation("replicas")})
	e.stored = []decision.Result{{}, violation("replicas")}
	if d := decideOn(t, e); d.Verdict != decision.VerdictDeny {
		t.Errorf("there were enough for the loose one, and there no longer are: got %v", d.Verdict)
	}
}

func TestAnUpdateOfLabelsIsExcusedFromWhatThereWas(t *testing.T) {
	for name, test := range map[string]struct {
		before, after decision.Result
		extent        updateScope
		want          decision.Verdict
	}{
		"nothing changes":              {decision.Result{}, violation("k"), changesNothing, decision.VerdictWarn},
		"labels, and it had it":        {violation("k"), violation("k"), changesLabels, decision.VerdictWarn},
		"labels, and it is new":        {decision.Result{}, violation("k"), changesLabels, decision.VerdictDeny},
		"labels, and it is worse":      {excessive("k", "1"), excessive("k", "2"), changesLabels, decision.VerdictDeny},
		"anything, and it had it":      {violation("k"), violation("k"), changesContent, decision.VerdictDeny},
		"a policy that fails, nothing": {decision.Result{}, decision.Result{Err: errors.New("broken")}, changesNothing, decision.VerdictWarn},
		"a policy that fails, labels":  {decision.Result{}, decision.Result{Err: errors.New("broken")}, changesLabels, decision.VerdictDeny},
		"it failed before, labels":     {decision.Result{Err: errors.New("broken")}, decision.Result{Err: errors.New("broken")}, changesLabels, decision.VerdictWarn},
		"it failed before, anything":   {decision.Result{Err: errors.New("broken")}, decision.Result{Err: errors.New("broken")}, changesContent, decision.VerdictDeny},
	} {
		e := evidenceOf(t, service(decision.Update), asked{guardrail: "g", mode: decision.ModeEnforce, result: test.after, existing: v1alpha1.ExistingEnforce})
		updates(&e, test.before)
		e.extent = test.extent
		if d := decideOn(t, e); d.Verdict != test.want {
			t.Errorf("%s: got %+v", name, d)
		}
	}
}

// Nobody on call can fix an object that policies can no longer decide.
func TestWhereTheStoredObjectCannotBeDecidedNothingIsDenied(t *testing.T) {
	e := evidenceOf(t, service(decision.Update), asked{guardrail: "g", mode: decision.ModeEnforce, result: violation("k")})
	updates(&e, decision.Result{Err: errors.New("hunter2")})
	d := decideOn(t, e)
	if d.Verdict != decision.VerdictUnknown || len(d.Errors) > 0 || len(d.Warnings()) != 1 || strings.Contains(d.Warnings()[0], "hunter2") {
		t.Errorf("got %+v, %q", d, d.Warnings())
	}
	ended := errors.New("ended")
	e.stored, e.storedErr = nil, ended
	if _, err := e.decide(); !errors.Is(err, ended) {
		t.Errorf("got %v", err)
	}
}

func TestTheStoredObjectIsLeftAloneWhereNothingWouldBeDenied(t *testing.T) {
	capped := violation("k")
	capped.Violations[0].AtMost = decision.ModeWarn
	for name, a := range map[string]asked{
		"never denied":  {guardrail: "g", mode: decision.ModeEnforce, result: capped},
		"not tolerated": {guardrail: "g", mode: decision.ModeEnforce, result: violation("k"), existing: v1alpha1.ExistingEnforce},
	} {
		e := evidenceOf(t, service(decision.Update), a)
		if _, open := e.open(); len(open) > 0 {
			t.Errorf("%s: the stored object is decided", name)
		}
	}
}

// A policy that is not enforced never fails a request.
func TestTheStoredObjectIsNotNeededForWhatIsOnlyCounted(t *testing.T) {
	e := evidenceOf(t, service(decision.Update), asked{guardrail: "g", mode: decision.ModeWarn, result: violation("k")})
	ended := errors.New("ended")
	e.stored, e.storedErr = nil, ended
	if d := decideOn(t, e); d.Verdict != decision.VerdictWarn || !d.Findings[0].WouldDeny {
		t.Errorf("got %+v", d)
	}
	e = evidenceOf(t, service(decision.Update), asked{guardrail: "g", mode: decision.ModeWarn, result: violation("k")}, asked{guardrail: "h", mode: decision.ModeEnforce, result: violation("k")})
	e.stored, e.storedErr = nil, ended
	if _, err := e.decide(); !errors.Is(err, ended) {
		t.Errorf("got %v", err)
	}
}

// An update that changes nothing a policy reads is never blocked, not even if its outcome is unknown.
func TestAnUpdateOfNothingIsExcused(t *testing.T) {
	for name, c := range map[string]struct {
		mode     decision.Mode
		result   decision.Result
		failOpen bool
		want     decision.Verdict
		why      string
	}{
		"a violation":            {decision.ModeEnforce, violation("k"), false, decision.VerdictWarn, "this update changes nothing that a policy reads"},
		"a violation, warned of": {decision.ModeWarn, violation("k"), false, decision.VerdictWarn, ""},
		"a failure under Fail":   {decision.ModeEnforce, decision.Result{Err: errors.New("no time")}, false, decision.VerdictWarn, "this update changes nothing that a policy reads"},
		"a failure under Ignore": {decision.ModeEnforce, decision.Result{Err: errors.New("no time")}, true, decision.VerdictWarn, ""},
	} {
		e := evidenceOf(t, service(decision.Update), asked{guardrail: "g", mode: c.mode, result: c.result, existing: v1alpha1.ExistingEnforce})
		e.bindings[0].FailOpen, e.extent = c.failOpen, changesNothing
		e.stored, e.storedErr = nil, errors.New("not asked")
		d := decideOn(t, e)
		if f := d.Findings[0]; d.Verdict != c.want || f.Tolerated != c.why || f.WouldDeny {
			t.Errorf("%s: got %v, %+v", name, d.Verdict, f)
		}
	}
}

// results generates results with few different keys, so that keys coincide.
func results() *rapid.Generator[decision.Result] {
	return rapid.Custom(func(t *rapid.T) decision.Result {
		var result decision.Result
		for range rapid.IntRange(0, 4).Draw(t, "violations") {
			v := decision.Violation{
				Message: "m", Path: "p", Container: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "container"),
				Key: rapid.SampledFrom([]string{"k", "l"}).Draw(t, "key"),
			}
			if rapid.Bool().Draw(t, "bounded") {
				v.Excess = json.Number(strconv.Itoa(rapid.IntRange(-3, 3).Draw(t, "excess")))
			}
			result.Violations = append(result.Violations, v)
		}
		return sorted(result)
	})
}

func sorted(result decision.Result) decision.Result {
	slices.SortFunc(result.Violations, func(a, b decision.Violation) int {
		return cmp.Or(strings.Compare(a.Container, b.Container), strings.Compare(a.Key, b.Key))
	})
	return result
}

// mostExcused is the specification: of the violations of one identity, the largest number that can be paired
// with earlier ones that are at least as bad.
func mostExcused(had, have []decision.Violation) int {
	if len(have) == 0 {
		return 0
	}
	most := mostExcused(had, have[1:])
	for i, h := range had {
		was, bounded := h.Excess.Int64()
		is, err := have[0].Excess.Int64()
		if bounded != nil || err == nil && is <= was {
			most = max(most, 1+mostExcused(slices.Delete(slices.Clone(had), i, i+1), have[1:]))
		}
	}
	return most
}

func ofIdentity(result decision.Result, id identity) []decision.Violation {
	return slices.DeleteFunc(slices.Clone(result.Violations), func(v decision.Violation) bool {
		return v.Container != id.Container || v.Key != id.Key
	})
}

// An update that keeps or reduces existing violations is never denied if they are tolerated.
func TestImprovementIsNeverDenied(t *testing.T) {
	property.Check(t, func(t *rapid.T) {
		before := results().Draw(t, "before")
		var after decision.Result
		for _, v := range before.Violations {
			if rapid.Bool().Draw(t, "fixed") {
				continue
			}
			if was, err := v.Excess.Int64(); err == nil {
				v.Excess = json.Number(strconv.FormatInt(was-int64(rapid.IntRange(0, 3).Draw(t, "nearer")), 10))
			} else if rapid.Bool().Draw(t, "bounded now") {
				v.Excess = "1000"
			}
			after.Violations = append(after.Violations, v)
		}
		e := evidenceOf(t, service(decision.Update), asked{guardrail: "g", mode: decision.ModeEnforce, result: sorted(after)})
		updates(&e, before)
		d, err := e.decide()
		if err != nil {
			t.Fatal(err)
		}
		if d.Verdict == decision.VerdictDeny {
			t.Fatalf("from %+v to %+v: %s", before, after, d.Denial("it"))
		}
	})
}

// A violation that is new or worse is denied, as is any violation under a Guardrail that does not tolerate
// existing ones. All others are warnings.
func TestWhatIsNewOrWorseIsDenied(t *testing.T) {
	property.Check(t, func(t *rapid.T) {
		before, after := results().Draw(t, "before"), results().Draw(t, "after")
		all := []asked{{guardrail: "kind", mode: decision.ModeEnforce, result: after}}
		strict := rapid.Bool().Draw(t, "a strict Guardrail too")
		if strict {
			all = append(all, asked{guardrail: "strict", mode: decision.ModeEnforce, result: after, existing: v1alpha1.ExistingEnforce})
		}
		e := evidenceOf(t, service(decision.Update), all...)
		updates(&e, before)
		d, err := e.decide()
		if err != nil {
			t.Fatal(err)
		}
		want := map[identity]bool{}
		for _, v := range after.Violations {
			id := identity{Policy: "a-policy", Container: v.Container, Key: v.Key}
			have := ofIdentity(after, id)
			want[id] = strict || mostExcused(ofIdentity(before, id), have) < len(have)
		}
		if len(d.Findings) != len(want) {
			t.Fatalf("%d findings, want %d", len(d.Findings), len(want))
		}
		for _, f := range d.Findings {
			id := identity{Policy: f.Policy, Container: f.Container, Key: f.Key}
			if denied, ok := want[id]; !ok || f.Denies() != denied || f.Denies() == (f.Tolerated != "") {
				t.Fatalf("%+v: from %+v to %+v, strict %v", f, before, after, strict)
			}
		}
	})
}

func TestWhatIsToleratedIsAsOftenAndNoWorse(t *testing.T) {
	two := twice(violation("k"))
	for name, c := range map[string]struct {
		before, after decision.Result
		want          []bool
	}{
		"none": {decision.Result{}, decision.Result{}, []bool{}}, "new": {decision.Result{}, violation("k"), []bool{false}}, "had": {violation("k"), violation("k"), []bool{true}},
		"once of twice": {violation("k"), two, []bool{true, false}}, "worse": {excessive("k", "1"), excessive("k", "2"), []bool{false}}, "better": {excessive("k", "2"), excessive("k", "1"), []bool{true}},
	} {
		if got := Tolerated(&c.before, &c.after); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
