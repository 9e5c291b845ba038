package server

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"

	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/config"
)

// countGap is the part of the interval that lies at least between two counts, however
// often the configuration changes: a count reads every object that is covered.
const countGap = 20

// excusesCount is what the Exemptions of one configuration excuse.
type excusesCount struct {
	snapshot string
	at       time.Time
	excuses  map[string]*audit.ExemptionUsage
}

// excuseCounter counts what Exemptions excuse of the objects that are there, now and then
// and after each change of the configuration. Only one replica runs one.
type excuseCounter struct {
	scanner  *audit.Scanner
	mapper   meta.RESTMapper
	compiled func() *outcome
	interval time.Duration
	now      func() time.Time
	// told is called after each count.
	told func()
	log  logr.Logger

	bell
	last atomic.Pointer[excusesCount]
}

func newExcuseCounter() *excuseCounter {
	return &excuseCounter{interval: DefaultExcusesInterval, now: time.Now, bell: newBell()}
}

// run counts until ctx ends.
func (c *excuseCounter) run(ctx context.Context) {
	ticker := time.NewTicker(c.interval)
	defer ticker.Stop()
	for {
		if err := c.count(ctx); err != nil && ctx.Err() == nil {
			c.log.Error(err, "Counting what Exemptions excuse failed")
		}
		sleep(ctx, c.interval/countGap)
		select {
		case <-ctx.Done():
			return
		case <-c.bell:
		case <-ticker.C:
		}
	}
}

func (c *excuseCounter) count(ctx context.Context) (err error) {
	defer func() {
		// An object that trips over a defect must not take the process down: it serves.
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %T\n%s", cause, debug.Stack())
		}
	}()
	compiled := c.compiled()
	if compiled == nil {
		return nil
	}
	now := c.now()
	var inForce config.Exemptions
	for _, e := range compiled.snapshot.Exemptions() {
		if now.Before(e.Until) {
			inForce = append(inForce, e)
		}
	}
	found := &excusesCount{snapshot: compiled.snapshot.ID(), at: now}
	if len(inForce) > 0 {
		if found.excuses, err = c.scanner.CountExemptionUsage(ctx, compiled.snapshot, inForce, c.mapper); err != nil {
			return err
		}
	}
	c.last.Store(found)
	c.told()
	return nil
}

// of is what an Exemption of a configuration was found to excuse, nil where that has not
// been counted.
func (c *excuseCounter) of(snapshot, name string) (*audit.ExemptionUsage, time.Time) {
	last := c.last.Load()
	if last == nil || last.snapshot != snapshot || last.excuses[name] == nil {
		return nil, time.Time{}
	}
	return last.excuses[name], last.at
}
