package server

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
)

const (
	// tallyTries is how often a write is tried that another replica was faster with. What
	// still could not be written is, the next time.
	tallyTries = 5
	// lastWrite is how long the write at the end may take.
	lastWrite = 5 * time.Second
)

// tallyWriter adds what this replica has counted to the status of Guardrails. Every replica
// runs one: each write names the version of the object that it adds to, so that none is
// lost. It writes status.wouldDeny and status.wouldFill, and the leader everything
// else.
type tallyWriter struct {
	tally    *tally
	compiled func() *outcome
	// cached trails the API server; live does not.
	cached, live client.Reader
	writer       client.StatusClient
	interval     time.Duration
	log          logr.Logger
}

// run writes every interval, and once more when ctx has ended.
func (w *tallyWriter) run(ctx context.Context) {
	for ctx.Err() == nil {
		sleep(ctx, w.interval)
		if ctx.Err() == nil {
			w.write(ctx)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
	defer cancel()
	w.write(ctx)
}

// write brings the status of each Guardrail in force up to date.
func (w *tallyWriter) write(ctx context.Context) {
	compiled := w.compiled()
	if compiled == nil {
		return
	}
	versions := compiled.snapshot.Versions()
	w.tally.forget(func(guardrail string) bool { _, exists := versions[guardrail]; return exists })
	for _, name := range slices.Sorted(maps.Keys(versions)) {
		counted := w.tally.take(name)
		if counted == nil {
			if w.begun(ctx, name, versions[name]) {
				continue
			}
			// That nothing would have been denied since then is worth knowing.
			counted = &count{version: versions[name], since: w.tally.now()}
		}
		if err := w.add(ctx, name, counted); err != nil {
			w.tally.giveBack(name, counted)
			w.log.Error(err, "What would have been denied was not written, trying again later", "guardrail", name)
		}
	}
}

// begun tells whether the status counts for this version of a Guardrail already.
func (w *tallyWriter) begun(ctx context.Context, name string, version config.Version) bool {
	var g v1alpha1.Guardrail
	if err := w.cached.Get(ctx, client.ObjectKey{Name: name}, &g); err != nil {
		return true // there is nothing to tell of, or nowhere to
	}
	return g.UID != version.UID || g.Status.WouldDeny != nil && g.Status.WouldDeny.Generation >= version.Generation &&
		g.Status.WouldFill != nil && g.Status.WouldFill.Generation >= version.Generation
}

// add adds a count to what is stored.
func (w *tallyWriter) add(ctx context.Context, name string, counted *count) (err error) {
	for range tallyTries {
		var g v1alpha1.Guardrail
		if err := w.live.Get(ctx, client.ObjectKey{Name: name}, &g); err != nil {
			return client.IgnoreNotFound(err)
		}
		updated := g.DeepCopy()
		if g.UID != counted.version.UID {
			return nil
		}
		denied, filled := addCount(&updated.Status, counted), addFills(&updated.Status, counted)
		if !denied && !filled {
			return nil // it was of another
		}
		patch := client.MergeFromWithOptions(&g, client.MergeFromWithOptimisticLock{})
		if err = w.writer.Status().Patch(ctx, updated, patch); !apierrors.IsConflict(err) {
			break
		}
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("status of Guardrail %s: %w", name, err)
	}
	return nil
}

// addCount is false where there is nothing to add: the count is of an older generation, or
// of nothing and there is one already.
func addCount(status *v1alpha1.GuardrailStatus, counted *count) bool {
	to := status.WouldDeny
	switch {
	case to == nil || to.Generation < counted.version.Generation:
		to = &v1alpha1.WouldDeny{Since: metav1.NewTime(counted.since), Generation: counted.version.Generation}
	case to.Generation > counted.version.Generation || counted.requests == 0:
		return false
	}
	all := make(map[string]*v1alpha1.WouldDenyNamespace, len(to.Namespaces)+len(counted.namespaces))
	for i := range to.Namespaces {
		all[to.Namespaces[i].Name] = to.Namespaces[i].DeepCopy()
	}
	for name, more := range counted.namespaces {
		if all[name] == nil {
			all[name] = &v1alpha1.WouldDenyNamespace{Name: name}
		}
		addTo(all[name], more)
	}
	to.Requests += counted.requests
	to.OtherRequests += counted.other
	to.Namespaces = nil
	for _, one := range slices.SortedFunc(maps.Values(all), moreRequests) {
		if len(to.Namespaces) == mostListed {
			to.OtherRequests += one.Requests
			continue
		}
		to.Namespaces = append(to.Namespaces, *one)
	}
	status.WouldDeny = to
	return true
}

func moreRequests(a, b *v1alpha1.WouldDenyNamespace) int {
	return cmp.Or(cmp.Compare(b.Requests, a.Requests), strings.Compare(a.Name, b.Name))
}
