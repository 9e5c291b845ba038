package engine

import (
	"context"
	"maps"
	"time"

	"github.com/open-policy-agent/opa/v1/topdown"

	"taffrail.dev/webhook/review"
)

const (
	// UserBudget is how long one evaluation of users' policies may take: of all of a kind
	// together, and of each alone where that did not go well.
	UserBudget = 250 * time.Millisecond
	// userTotal is how long all evaluations of users' policies for one request may take.
	userTotal = 4 * UserBudget
	// patience is the budget where no deadline is set, so nobody waits: in a check of
	// files. A slow machine must not make another verdict.
	patience = 20 * UserBudget
)

// userRun is the evaluation of users' policies for one request.
type userRun struct {
	program *Program
	query   *query
	request *review.Request
	input   map[string]any
	part    Part
	slots   []int
	results []review.Result
	budget  time.Duration
	until   time.Time
}

// evaluateUsers fills in the results of users' policies. Whatever they do, it returns
// within userTotal, and within three quarters of the time that the request has left: the
// decision has yet to be made and sent.
func (p *Program) evaluateUsers(ctx context.Context, q *query, r *review.Request, input map[string]any, slots []int, part Part, results []review.Result) {
	if q == nil {
		return
	}
	u := &userRun{
		program: p, query: q, request: r, input: input, part: part, slots: slots, results: results,
		budget: patience, until: time.Now().Add(4 * patience),
	}
	if deadline, ok := ctx.Deadline(); ok {
		u.budget = UserBudget
		u.until = time.Now().Add(min(userTotal, time.Until(deadline)*3/4))
	}
	for _, round := range p.rounds(slots, r.Kind.GroupKind(), true) {
		u.round(ctx, round)
	}
}

func (u *userRun) slot(position int) *slot { return &u.program.slots[u.slots[position]] }

func (u *userRun) fail(position int, err error) {
	u.results[position] = failed(u.slot(position).policy, err)
}

func (u *userRun) round(ctx context.Context, round []int) {
	release, err := u.turn(ctx)
	if err != nil {
		for _, position := range round {
			u.fail(position, err)
		}
		return
	}
	defer release()
	ready, trials := u.sort(round)
	suspects := suspicion{}
	if len(ready) > 1 {
		ready = u.together(ctx, ready, &suspects)
	}
	for _, position := range ready {
		if aside, _ := u.program.aside.state(u.slot(position).policy); aside != nil {
			u.fail(position, aside) // another request has just found out
			continue
		}
		u.alone(ctx, position, false, &suspects)
	}
	u.program.aside.blame(&suspects)
	for _, position := range trials {
		u.alone(ctx, position, true, &suspicion{})
	}
}

// turn waits until not too many others evaluate.
func (u *userRun) turn(ctx context.Context) (release func(), err error) {
	turns := u.program.aside.turns
	timer := time.NewTimer(max(0, time.Until(u.until)))
	defer timer.Stop()
	select {
	case turns <- struct{}{}:
		return func() { <-turns }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-timer.C:
		return nil, errNoTime
	}
}

// sort leaves out what is set aside.
func (u *userRun) sort(round []int) (ready, trials []int) {
	for _, position := range round {
		aside, trial := u.program.aside.state(u.slot(position).policy)
		switch {
		case aside != nil:
			u.fail(position, aside)
		case trial:
			trials = append(trials, position)
		default:
			ready = append(ready, position)
		}
	}
	return ready, trials
}

// together evaluates policies in one query, and returns the positions of those for which
// that did not do.
func (u *userRun) together(ctx context.Context, round []int, suspects *suspicion) (left []int) {
	done := u.guard(ctx, func(ctx context.Context, e *evaluation, own []review.Result) error {
		answer, err := e.run(ctx, u.query, e.withParameters(u.slots, round))
		if err != nil {
			return err
		}
		for _, position := range round {
			if own[position], err = answer.of(u.slot(position), u.part, e.request); err != nil {
				own[position].Err = err
			}
		}
		return nil
	})
	if done.err != nil {
		suspects.err, suspects.running = done.fault, done.running
		return round
	}
	for _, position := range round {
		if done.results[position].Err != nil {
			left = append(left, position)
			continue
		}
		u.results[position] = done.results[position]
	}
	return left
}

func (u *userRun) alone(ctx context.Context, position int, trial bool, suspects *suspicion) {
	s := u.slot(position)
	start := time.Now()
	done := u.guard(ctx, func(ctx context.Context, e *evaluation, own []review.Result) (err error) {
		own[position], err = e.evaluateAlone(ctx, s, e.withParameters(u.slots, []int{position}))
		return err
	})
	switch {
	case done.fault != nil:
		suspects.found = true
		u.program.aside.trip(s.policy, done.fault, trial)
		u.program.aside.runsOn(s.policy, done.running)
		u.program.aside.runsOn(s.policy, suspects.running)
	case trial && ctx.Err() == nil:
		u.program.aside.passed(s.policy)
	}
	if took := time.Since(start); took > suspects.took {
		suspects.slowest, suspects.took = s.policy, took
	}
	if done.err != nil {
		u.fail(position, done.err)
		return
	}
	u.results[position] = done.results[position]
}

// guard evaluates within what is left of the budget. The evaluation gets copies of all that
// others go on to use, because it may have to be left to itself.
func (u *userRun) guard(ctx context.Context, evaluate func(context.Context, *evaluation, []review.Result) error) guarded {
	left := time.Until(u.until)
	if left <= 0 {
		return guarded{err: errNoTime}
	}
	request := *u.request
	e := &evaluation{
		unit: u.program.users, indexing: u.program.indexing, slots: u.program.slots,
		request: &request, input: maps.Clone(u.input), part: u.part, watched: true, coverage: u.program.coverage,
	}
	done := guard(ctx, min(u.budget, left), func(cancel topdown.Cancel) ([]review.Result, error) {
		e.cancel = cancel
		own := make([]review.Result, len(u.slots))
		return own, evaluate(ctx, e, own)
	})
	if left < u.budget && done.fault == ErrTooSlow { //nolint:errorlint // exactly that: nobody has wrapped it
		done.fault = nil // it had no time
	}
	return done
}
