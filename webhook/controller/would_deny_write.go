package controller

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
	// writeTries is how often a write that conflicts with another replica's is attempted. After that the count
	// is kept for the next write.
	writeTries = 5
	// lastWriteTimeout limits the write at shutdown.
	lastWriteTimeout = 5 * time.Second
)

// wouldDenyOptions configures a wouldDenyWriter.
type wouldDenyOptions struct {
	counter  *wouldDenyCounter
	compiled func() *outcome
	// cached may lag behind the API server; live does not.
	cached, live client.Reader
	writer       client.StatusClient
	interval     time.Duration
	log          logr.Logger
}

// wouldDenyWriter adds this replica's counts to the status of Guardrails. Every replica runs one; optimistic
// locking ensures that no count is lost. It owns status.wouldDeny and status.wouldFill. The auditor owns
// status.audit, and the leader all other fields.
type wouldDenyWriter struct {
	wouldDenyOptions
	loop *loop
}

func newWouldDenyWriter(o wouldDenyOptions) *wouldDenyWriter {
	w := &wouldDenyWriter{wouldDenyOptions: o}
	w.loop = newLoop(loopOptions{
		trigger:   newTrigger(0),
		reconcile: func(ctx context.Context) (time.Duration, error) { w.write(ctx); return o.interval, nil },
		failed:    func(err error) { o.log.Error(err, "Failed to write what would have been denied, retrying") },
	})
	return w
}

// run writes periodically, and once more after ctx has ended.
func (w *wouldDenyWriter) run(ctx context.Context) {
	w.loop.run(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWriteTimeout)
	defer cancel()
	w.write(ctx)
}

// write adds the counts to the status of each Guardrail in force. Counts that cannot be written are restored.
func (w *wouldDenyWriter) write(ctx context.Context) {
	compiled := w.compiled()
	if compiled == nil {
		return
	}
	versions := compiled.snapshot.Versions()
	w.counter.forget(func(guardrail string) bool { _, exists := versions[guardrail]; return exists })
	for _, name := range slices.Sorted(maps.Keys(versions)) {
		counted := w.counter.take(name)
		if counted == nil {
			if w.begun(ctx, name, versions[name]) {
				continue
			}
			// An empty count records since when nothing would have been denied.
			counted = &count{version: versions[name], since: w.counter.now()}
		}
		if err := w.add(ctx, name, counted); err != nil {
			w.counter.restore(name, counted)
			w.log.Error(err, "Failed to write what would have been denied, retrying later", "guardrail", name)
		}
	}
}

// begun reports whether the status already has a count for this version of the Guardrail.
func (w *wouldDenyWriter) begun(ctx context.Context, name string, version config.Version) bool {
	var g v1alpha1.Guardrail
	if err := w.cached.Get(ctx, client.ObjectKey{Name: name}, &g); err != nil {
		return true // the Guardrail is deleted, or not in the cache yet
	}
	return g.UID != version.UID || g.Status.WouldDeny != nil && g.Status.WouldDeny.Generation >= version.Generation &&
		g.Status.WouldFill != nil && g.Status.WouldFill.Generation >= version.Generation
}

// add adds a count to the stored status.
func (w *wouldDenyWriter) add(ctx context.Context, name string, counted *count) (err error) {
	for range writeTries {
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
			return nil // the count belongs to another version
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

// addCount adds to the stored count. It returns false if there is nothing to add: the count belongs to an older
// generation, or it is empty and the status has one already.
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
		if len(to.Namespaces) == maxListed {
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
