package guardrail_test

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
	"taffrail.dev/webhook/guardrail"
	"taffrail.dev/webhook/review"
)

func extent(of guardrail.Extent) func(*review.Request) guardrail.Extent {
	return func(*review.Request) guardrail.Extent { return of }
}

func excessive(key string, excess json.Number) review.Result {
	result := violation(key)
	result.Violations[0].Excess = excess
	return result
}

func twice(result review.Result) review.Result {
	result.Violations = slices.Repeat(result.Violations, 2)
	return result
}

func TestRatchet(t *testing.T) {
	capped, undecided := violation("k"), violation("k")
	capped.Violations[0].AtMost = review.ModeWarn
	undecided.Violations[0].Unknown = "a fact is missing"
	for name, test := range map[string]struct {
		before, after review.Result
		existing      v1alpha1.Existing
		want          review.Verdict
	}{
		"had it":                         {violation("k"), violation("k"), v1alpha1.ExistingTolerate, review.VerdictWarn},
		"had it, by default":             {violation("k"), violation("k"), "", review.VerdictWarn},
		"had it, not tolerated":          {violation("k"), violation("k"), v1alpha1.ExistingEnforce, review.VerdictDeny},
		"had another":                    {violation("other"), violation("k"), "", review.VerdictDeny},
		"had none":                       {review.Result{}, violation("k"), "", review.VerdictDeny},
		"as far from right":              {excessive("k", "2"), excessive("k", "2.0"), "", review.VerdictWarn},
		"nearer to right":                {excessive("k", "10"), excessive("k", "9"), "", review.VerdictWarn},
		"farther from right":             {excessive("k", "9"), excessive("k", "10"), "", review.VerdictDeny},
		"farther below nothing":          {excessive("k", "-2"), excessive("k", "-1"), "", review.VerdictDeny},
		"nearer, past what a float has":  {excessive("k", "9007199254740993"), excessive("k", "9007199254740992"), "", review.VerdictWarn},
		"farther, past what a float has": {excessive("k", "9007199254740992"), excessive("k", "9007199254740993"), "", review.VerdictDeny},
		"farther, past what an int has":  {excessive("k", "99999999999999999999998"), excessive("k", "99999999999999999999999"), "", review.VerdictDeny},
		"from no bound to some":          {violation("k"), excessive("k", "1000"), "", review.VerdictWarn},
		"from some bound to none":        {excessive("k", "1000"), violation("k"), "", review.VerdictDeny},
		"as often":                       {twice(violation("k")), twice(violation("k")), "", review.VerdictWarn},
		"once less":                      {twice(violation("k")), violation("k"), "", review.VerdictWarn},
		"once more":                      {violation("k"), twice(violation("k")), "", review.VerdictDeny},
		"was but a warning":              {capped, violation("k"), "", review.VerdictDeny},
		"was not decided":                {undecided, violation("k"), "", review.VerdictDeny},
	} {
		t.Run(name, func(t *testing.T) {
			e := evidence(t, service(review.Update), asked{guardrail: "g", mode: review.ModeEnforce, result: test.after, existing: test.existing})
			updates(&e, test.before)
			d := decide(t, e)
			if d.Verdict != test.want || (d.Findings[0].Tolerated != "") != (test.want == review.VerdictWarn) {
				t.Errorf("got %+v", d)
			}
		})
	}
}

func TestADenialSaysThatItGotWorse(t *testing.T) {
	e := evidence(t, service(review.Update), asked{guardrail: "g", mode: review.ModeEnforce, result: excessive("k", "3")})
	updates(&e, excessive("k", "2"))
	if words := decide(t, e).Denial("Service shop/web"); !strings.Contains(words, "worse than in the stored object") {
		t.Errorf("got %s", words)
	}
}

// One set of parameters excuses nothing under another.
func TestEachBindingHasItsOwnPast(t *testing.T) {
	e := evidence(t, service(review.Update),
		asked{guardrail: "loose", mode: review.ModeEnforce, result: violation("replicas")},
		asked{guardrail: "strict", mode: review.ModeEnforce, result: violation("replicas")})
	updates(&e, review.Result{})
	e.Before = func() ([]review.Result, error) { return []review.Result{{}, violation("replicas")}, nil }
	if d := decide(t, e); d.Verdict != review.VerdictDeny {
		t.Errorf("there were enough for the loose one, and are not any more: got %v", d.Verdict)
	}
}

func TestAnUpdateOfLabelsIsExcusedFromWhatThereWas(t *testing.T) {
	for name, test := range map[string]struct {
		before, after review.Result
		extent        guardrail.Extent
		want          review.Verdict
	}{
		"nothing changes":              {review.Result{}, violation("k"), guardrail.ChangesNothing, review.VerdictWarn},
		"labels, and it had it":        {violation("k"), violation("k"), guardrail.ChangesLabels, review.VerdictWarn},
		"labels, and it is new":        {review.Result{}, violation("k"), guardrail.ChangesLabels, review.VerdictDeny},
		"labels, and it is worse":      {excessive("k", "1"), excessive("k", "2"), guardrail.ChangesLabels, review.VerdictDeny},
		"anything, and it had it":      {violation("k"), violation("k"), guardrail.ChangesContent, review.VerdictDeny},
		"a policy that fails, nothing": {review.Result{}, review.Result{Err: errors.New("broken")}, guardrail.ChangesNothing, review.VerdictWarn},
		"a policy that fails, labels":  {review.Result{}, review.Result{Err: errors.New("broken")}, guardrail.ChangesLabels, review.VerdictDeny},
		"it failed before, labels":     {review.Result{Err: errors.New("broken")}, review.Result{Err: errors.New("broken")}, guardrail.ChangesLabels, review.VerdictWarn},
		"it failed before, anything":   {review.Result{Err: errors.New("broken")}, review.Result{Err: errors.New("broken")}, guardrail.ChangesContent, review.VerdictDeny},
	} {
		e := evidence(t, service(review.Update), asked{guardrail: "g", mode: review.ModeEnforce, result: test.after, existing: v1alpha1.ExistingEnforce})
		updates(&e, test.before)
		e.Extent = extent(test.extent)
		if d := decide(t, e); d.Verdict != test.want {
			t.Errorf("%s: got %+v", name, d)
		}
	}
}

// Nobody on call can do anything about an object that cannot be decided any more.
func TestWhereTheStoredObjectCannotBeDecidedNothingIsDenied(t *testing.T) {
	e := evidence(t, service(review.Update), asked{guardrail: "g", mode: review.ModeEnforce, result: violation("k")})
	updates(&e, review.Result{Err: errors.New("hunter2")})
	d := decide(t, e)
	if d.Verdict != review.VerdictUnknown || len(d.Errors) > 0 || len(d.Warnings()) != 1 || strings.Contains(d.Warnings()[0], "hunter2") {
		t.Errorf("got %+v, %q", d, d.Warnings())
	}
	ended := errors.New("ended")
	e.Before = func() ([]review.Result, error) { return nil, ended }
	if _, err := guardrail.Decide(e); !errors.Is(err, ended) {
		t.Errorf("got %v", err)
	}
}

func TestTheStoredObjectIsLeftAloneWhereNothingWouldBeDenied(t *testing.T) {
	capped := violation("k")
	capped.Violations[0].AtMost = review.ModeWarn
	for name, a := range map[string]asked{
		"never denied":  {guardrail: "g", mode: review.ModeEnforce, result: capped},
		"not tolerated": {guardrail: "g", mode: review.ModeEnforce, result: violation("k"), existing: v1alpha1.ExistingEnforce},
	} {
		e := evidence(t, service(review.Update), a)
		updates(&e, review.Result{})
		e.Before = func() ([]review.Result, error) {
			t.Errorf("%s: the stored object was decided", name)
			return make([]review.Result, 1), nil
		}
		decide(t, e)
	}
}

// Nobody's request fails for what is only counted.
func TestTheStoredObjectIsNotNeededForWhatIsOnlyCounted(t *testing.T) {
	e := evidence(t, service(review.Update), asked{guardrail: "g", mode: review.ModeWarn, result: violation("k")})
	updates(&e, review.Result{})
	ended := errors.New("ended")
	e.Before = func() ([]review.Result, error) { return nil, ended }
	if d := decide(t, e); d.Verdict != review.VerdictWarn || !d.Findings[0].WouldDeny {
		t.Errorf("got %+v", d)
	}
	e = evidence(t, service(review.Update), asked{guardrail: "g", mode: review.ModeWarn, result: violation("k")}, asked{guardrail: "h", mode: review.ModeEnforce, result: violation("k")})
	updates(&e, review.Result{})
	e.Before = func() ([]review.Result, error) { return nil, ended }
	if _, err := guardrail.Decide(e); !errors.Is(err, ended) {
		t.Errorf("got %v", err)
	}
}

// An update of nothing that a policy reads is never held up, not even by what is unknown.
func TestAnUpdateOfNothingIsExcused(t *testing.T) {
	for name, c := range map[string]struct {
		mode     review.Mode
		result   review.Result
		failOpen bool
		want     review.Verdict
		why      string
	}{
		"a violation":            {review.ModeEnforce, violation("k"), false, review.VerdictWarn, "this update changes nothing that a policy reads"},
		"a violation, warned of": {review.ModeWarn, violation("k"), false, review.VerdictWarn, ""},
		"a failure under Fail":   {review.ModeEnforce, review.Result{Err: errors.New("no time")}, false, review.VerdictWarn, "this update changes nothing that a policy reads"},
		"a failure under Ignore": {review.ModeEnforce, review.Result{Err: errors.New("no time")}, true, review.VerdictWarn, ""},
	} {
		e := evidence(t, service(review.Update), asked{guardrail: "g", mode: c.mode, result: c.result, existing: v1alpha1.ExistingEnforce})
		e.Bounds[0].FailOpen, e.Extent = c.failOpen, extent(guardrail.ChangesNothing)
		e.Before = func() ([]review.Result, error) { return nil, errors.New("not asked") }
		d := decide(t, e)
		if f := d.Findings[0]; d.Verdict != c.want || f.Tolerated != c.why || f.WouldDeny {
			t.Errorf("%s: got %v, %+v", name, d.Verdict, f)
		}
	}
}

// results draws what a policy may say: few keys, so that they meet.
func results() *rapid.Generator[review.Result] {
	return rapid.Custom(func(t *rapid.T) review.Result {
		var result review.Result
		for range rapid.IntRange(0, 4).Draw(t, "violations") {
			v := review.Violation{
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

func sorted(result review.Result) review.Result {
	slices.SortFunc(result.Violations, func(a, b review.Violation) int {
		return cmp.Or(strings.Compare(a.Container, b.Container), strings.Compare(a.Key, b.Key))
	})
	return result
}

// mostExcused is the law, tried out: of the violations of one identity, the most that can
// be paired with earlier ones that are as far from right or farther.
func mostExcused(had, have []review.Violation) int {
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

func ofIdentity(result review.Result, id guardrail.Identity) []review.Violation {
	return slices.DeleteFunc(slices.Clone(result.Violations), func(v review.Violation) bool {
		return v.Container != id.Container || v.Key != id.Key
	})
}

// An update that keeps some of what there was, or comes nearer to right, is never denied
// where that is tolerated.
func TestImprovementIsNeverDenied(t *testing.T) {
	property.Check(t, func(t *rapid.T) {
		before := results().Draw(t, "before")
		var after review.Result
		for _, v := range before.Violations {
			if rapid.Bool().Draw(t, "mended") {
				continue
			}
			if was, err := v.Excess.Int64(); err == nil {
				v.Excess = json.Number(strconv.FormatInt(was-int64(rapid.IntRange(0, 3).Draw(t, "nearer")), 10))
			} else if rapid.Bool().Draw(t, "bounded now") {
				v.Excess = "1000"
			}
			after.Violations = append(after.Violations, v)
		}
		e := evidence(t, service(review.Update), asked{guardrail: "g", mode: review.ModeEnforce, result: sorted(after)})
		updates(&e, before)
		d, err := guardrail.Decide(e)
		if err != nil {
			t.Fatal(err)
		}
		if d.Verdict == review.VerdictDeny {
			t.Fatalf("from %+v to %+v: %s", before, after, d.Denial("it"))
		}
	})
}

// What is new or worse is denied, and so is whatever a Guardrail asks for that tolerates
// nothing. All else is but a warning.
func TestWhatIsNewOrWorseIsDenied(t *testing.T) {
	property.Check(t, func(t *rapid.T) {
		before, after := results().Draw(t, "before"), results().Draw(t, "after")
		all := []asked{{guardrail: "kind", mode: review.ModeEnforce, result: after}}
		strict := rapid.Bool().Draw(t, "a strict Guardrail too")
		if strict {
			all = append(all, asked{guardrail: "strict", mode: review.ModeEnforce, result: after, existing: v1alpha1.ExistingEnforce})
		}
		e := evidence(t, service(review.Update), all...)
		updates(&e, before)
		d, err := guardrail.Decide(e)
		if err != nil {
			t.Fatal(err)
		}
		want := map[guardrail.Identity]bool{}
		for _, v := range after.Violations {
			id := guardrail.Identity{Policy: "a-policy", Container: v.Container, Key: v.Key}
			have := ofIdentity(after, id)
			want[id] = strict || mostExcused(ofIdentity(before, id), have) < len(have)
		}
		if len(d.Findings) != len(want) {
			t.Fatalf("%d findings, want %d", len(d.Findings), len(want))
		}
		for _, f := range d.Findings {
			id := guardrail.Identity{Policy: f.Policy, Container: f.Container, Key: f.Key}
			if denied, ok := want[id]; !ok || f.Denies() != denied || f.Denies() == (f.Tolerated != "") {
				t.Fatalf("%+v: from %+v to %+v, strict %v", f, before, after, strict)
			}
		}
	})
}
