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

// usagePause divides the interval: at least interval/usagePause passes between two counts, however
// often the configuration changes, because a count reads every object that Exemptions cover.
const usagePause = 20

// usageCount is what the Exemptions of one configuration excuse.
type usageCount struct {
	snapshot string
	at       time.Time
	excuses  map[string]*audit.ExemptionUsage
}

// exemptionUsageOptions are what an exemptionUsage is made from.
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

// exemptionUsage counts what Exemptions excuse of the existing objects, every interval and after
// each change of the configuration. Only the leader counts.
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
		failed:    func(err error) { o.log.Error(err, "Counting what Exemptions excuse failed") },
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

// metricsOf lists the Exemptions in force, with what this replica has counted of them.
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

// of returns what an Exemption of a configuration excuses and when that was counted, or nil if it
// has not been.
func (u *exemptionUsage) of(snapshot, name string) (*audit.ExemptionUsage, time.Time) {
	last := u.last.Load()
	if last == nil || last.snapshot != snapshot || last.excuses[name] == nil {
		return nil, time.Time{}
	}
	return last.excuses[name], last.at
}
