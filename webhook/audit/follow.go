package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"taffrail.dev/webhook/request"
)

const (
	// firstRetry is the delay after a failed request. It doubles with each failure, up to lastRetry.
	firstRetry = time.Second
	lastRetry  = time.Minute
	// refusedRetry is the delay after a request that the API server refuses until somebody changes RBAC
	// or installs a CRD.
	refusedRetry = time.Minute
	// watchTimeout is how long a watch lasts at least. It lasts up to twice as long.
	watchTimeout = 5 * time.Minute
	// established is how long a watch must last to be in place although it reports no event.
	established = 5 * time.Second
)

// Followed configures Follow.
type Followed struct {
	Selection Selection
	// Version is the resourceVersion after which events are reported.
	Version string
	// Each is called with every event. Bookmarks are not passed on. The object is valid until Each returns.
	Each func(found *request.Metadata, e Event)
	// Observe is called with nil when a watch is in place, and with the error when one has failed. It may be called by
	// several goroutines.
	Observe func(error)
	// Retry replaces firstRetry if it is not 0.
	Retry time.Duration
}

// Follow reports the events of a selection until ctx ends. It resumes where the API server ends a watch, and waits
// longer and longer while watches fail. It returns an error of which Expired reports true if the API server has
// forgotten the version, so that the objects have to be read again, and one of which Refused reports true if it allows
// no watch.
func (o *Objects) Follow(ctx context.Context, f Followed) error {
	version, retry := f.Version, newBackoff(f.Retry)
	for {
		began, heard := time.Now(), false
		timeout := watchTimeout + rand.N(watchTimeout) //nolint:gosec // it spreads load
		err := o.watch(ctx, &f, version, timeout, func(found *request.Metadata, e Event) error {
			if !heard {
				heard = true
				f.Observe(nil)
			}
			version = found.ResourceVersion
			if e.Type != Bookmark {
				f.Each(found, e)
			}
			return ctx.Err()
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case Expired(err), Refused(err):
			return err
		case err != nil:
			f.Observe(err)
		}
		if heard || time.Since(began) > lastRetry {
			retry = newBackoff(f.Retry)
			if err == nil {
				continue
			}
		}
		sleep(ctx, retry.Step())
	}
}

// Expired reports whether an error means that the objects have to be read again.
func Expired(err error) bool {
	return apierrors.IsResourceExpired(err) || apierrors.IsGone(err)
}

// Refused reports whether nothing but a change of RBAC, or of what the cluster serves, makes a request succeed.
func Refused(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err)
}

// watch reports the events of one watch, among them bookmarks.
func (o *Objects) watch(ctx context.Context, f *Followed, version string, timeout time.Duration, each func(*request.Metadata, Event) error) error {
	var inPlace *time.Timer
	defer func() {
		if inPlace != nil {
			inPlace.Stop()
		}
	}()
	params := map[string]string{"resourceVersion": version, "timeoutSeconds": strconv.Itoa(int(timeout.Seconds()))}
	opened := func() { inPlace = time.AfterFunc(established, func() { f.Observe(nil) }) }
	return o.stream(ctx, &f.Selection, params, opened, func(e Event) error {
		found, err := o.Metadata(e.Object)
		if err != nil {
			return err
		}
		return each(&found, e)
	})
}

// stream reads the events of a watch until it ends. It calls opened when the API server has accepted the watch.
// errEnough of each ends it without an error.
func (o *Objects) stream(ctx context.Context, s *Selection, params map[string]string, opened func(), each func(Event) error) error {
	asked := o.get(s).Param("watch", "true").Param("allowWatchBookmarks", "true")
	for _, name := range slices.Sorted(maps.Keys(params)) {
		asked.Param(name, params[name])
	}
	body, err := asked.Stream(ctx)
	if err != nil {
		return fmt.Errorf("watching %s: %w", s, err)
	}
	defer body.Close()
	opened()
	for decoder := newDecoder(body); ; {
		err := readEvent(decoder, func(e Event) error {
			if e.Type == failed {
				return statusError(e.Object)
			}
			return each(e)
		})
		switch {
		case errors.Is(err, errEnough), errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("watching %s: %w", s, err)
		}
	}
}

// statusError returns the error in an event of the type ERROR.
func statusError(object []byte) error {
	var status metav1.Status
	if err := json.Unmarshal(object, &status); err != nil {
		return fmt.Errorf("reading the error of a watch: %w", err)
	}
	return apierrors.FromObject(&status)
}

// newBackoff returns the delays between attempts. first replaces firstRetry if it is not 0.
func newBackoff(first time.Duration) *wait.Backoff {
	if first == 0 {
		first = firstRetry
	}
	return &wait.Backoff{Duration: first, Factor: 2, Jitter: 0.1, Steps: math.MaxInt, Cap: lastRetry}
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
