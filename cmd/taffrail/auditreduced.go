package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/live"
	"taffrail.dev/webhook/pipeline"
)

// reducedDecider decides without the policies that need facts which the user is not permitted to read.
type reducedDecider struct {
	// decider is nil if no policy is left.
	decider *pipeline.Decider
	// left has the policies that do not decide, sorted.
	left []string
}

// decideRest decides an object whose facts the user is not permitted to read, by the policies that do not need
// them. It returns nil if there are none, or if the error of the object is another one.
func (c *auditedCluster) decideRest(ctx context.Context, s *audit.Scanned) (*decision.Decision, *reducedDecider, error) {
	var facts []decision.Fact
	err := s.Err
	for {
		refused, ok := errors.AsType[*live.UnreadError](err)
		if !ok || s.Request == nil {
			return nil, nil, nil
		}
		fact, known := live.FactOf(refused.Resource)
		if !known || slices.Contains(facts, fact) {
			return nil, nil, nil
		}
		facts = append(facts, fact)
		reduced, buildErr := c.without(ctx, facts)
		if buildErr != nil || reduced.decider == nil {
			return nil, nil, buildErr
		}
		var result *decision.Decision
		if result, err = reduced.decider.Decide(ctx, s.Request); err == nil {
			return result, reduced, nil
		}
	}
}

// without returns what decides without the policies that need one of the facts. It is compiled once.
func (c *auditedCluster) without(ctx context.Context, facts []decision.Fact) (*reducedDecider, error) {
	slices.Sort(facts)
	var names []string
	for _, fact := range facts {
		names = append(names, string(fact))
	}
	key := strings.Join(names, " ")
	if reduced, found := c.reduced[key]; found {
		return reduced, nil
	}
	reduced, err := c.compileWithout(ctx, facts)
	if err != nil {
		return nil, err
	}
	c.reduced[key] = reduced
	return reduced, nil
}

func (c *auditedCluster) compileWithout(ctx context.Context, facts []decision.Fact) (*reducedDecider, error) {
	reduced := &reducedDecider{}
	bound := map[string]bool{}
	for _, guardrail := range c.decider.source.objects.Guardrails {
		for _, binding := range guardrail.Spec.Policies {
			bound[binding.Name] = true
		}
	}
	for _, policy := range c.decider.catalog.Policies() {
		if bound[policy.ID] && slices.ContainsFunc(policy.Facts, func(fact decision.Fact) bool { return slices.Contains(facts, fact) }) {
			reduced.left = append(reduced.left, policy.ID)
		}
	}
	slices.Sort(reduced.left)
	flags := c.flags
	flags.skip = slices.Concat(flags.skip, reduced.left)
	library, err := loadCatalog(flags.engine)
	if err != nil {
		return nil, err
	}
	from := *c.decider.source // what it notes has been noted
	snapshot, err := flags.snapshot(ctx, library, &from)
	if errors.Is(err, errNoPolicyLeft) {
		return reduced, nil
	}
	if err != nil {
		return nil, err
	}
	reduced.decider = pipeline.New(snapshot, c.scanner.Facts, c.decider.options)
	return reduced, nil
}
