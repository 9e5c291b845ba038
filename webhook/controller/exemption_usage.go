package controller

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"

	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/metrics"
)

// usagePause limits how often usage is counted: at least interval/usagePause passes between two counts, however
// often the configuration changes, because a count reads every object that Exemptions cover.
const usagePause = 20

// usageCount is the usage of the Exemptions in one configuration.
type usageCount struct {
	snapshot string
	at       time.Time
	excuses  map[string]*audit.ExemptionUsage
}

// exemptionUsageOptions configures an exemptionUsage.
type exemptionUsageOptions struct {
	trigger *trigger
	// notify is the trigger to fire after each count.
	notify   *trigger
	scanner  *audit.Scanner
	mapper   meta.RESTMapper
	compiled func() *outcome
	interval time.Duration
	now      func() time.Time
	log      logr.Logger
}

// exemptionUsage counts which findings in existing objects Exemptions exempt, periodically and after each
// change of the configuration. Only the leader counts.
type exemptionUsage struct {
	exemptionUsageOptions
	loop *loop

	last atomic.Pointer[usageCount]
}

func newExemptionUsage(o exemptionUsageOptions) *exemptionUsage {
	u := &exemptionUsage{exemptionUsageOptions: o}
	u.loop = newLoop(loopOptions{
		trigger:   o.trigger,
		reconcile: func(ctx context.Context) (time.Duration, error) { return o.interval, u.count(ctx) },
		failed:    func(err error) { o.log.Error(err, "Failed to count what Exemptions exempt, retrying") },
		pause:     o.interval / usagePause,
		retry:     o.interval,
	})
	return u
}

func (u *exemptionUsage) count(ctx context.Context) error {
	compiled := u.compiled()
	if compiled == nil {
		return nil
	}
	now := u.now()
	var inForce config.Exemptions
	for _, e := range compiled.snapshot.Exemptions() {
		if now.Before(e.Until) {
			inForce = append(inForce, e)
		}
	}
	found := &usageCount{snapshot: compiled.snapshot.ID(), at: now}
	if len(inForce) > 0 {
		var err error
		if found.excuses, err = u.scanner.CountExemptionUsage(ctx, compiled.snapshot, inForce, u.mapper); err != nil {
			return err
		}
	}
	u.last.Store(found)
	u.notify.fire()
	return nil
}

// metricsOf returns the Exemptions in force, each with its usage if this replica has counted it.
func metricsOf(compiled *outcome, counted *usageCount) []metrics.Exemption {
	if compiled == nil {
		return nil
	}
	var all []metrics.Exemption
	for _, e := range compiled.snapshot.Exemptions() {
		one := metrics.Exemption{Name: e.Name, Until: e.Until}
		if counted != nil && counted.snapshot == compiled.snapshot.ID() && counted.excuses[e.Name] != nil {
			one.Excused = &counted.excuses[e.Name].Findings
		}
		all = append(all, one)
	}
	return all
}

// of returns the usage of an Exemption in a configuration and the time of the count, or nil if it has not been
// counted.
func (u *exemptionUsage) of(snapshot, name string) (*audit.ExemptionUsage, time.Time) {
	last := u.last.Load()
	if last == nil || last.snapshot != snapshot || last.excuses[name] == nil {
		return nil, time.Time{}
	}
	return last.excuses[name], last.at
}
