package audit

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"taffrail.dev/webhook/request"
)

func podMapping() *meta.RESTMapping {
	return &meta.RESTMapping{Resource: corev1.SchemeGroupVersion.WithResource("pods"), GroupVersionKind: corev1.SchemeGroupVersion.WithKind("Pod"), Scope: meta.RESTScopeNamespace}
}

// followed is what Follow has reported.
type followed struct {
	api      *fakeAPI
	names    []string
	observed []bool
	err      error
	done     bool
}

// follow follows Pods from version 100 on, until the test ends.
func follow(t *testing.T) (*followed, context.CancelFunc) {
	t.Helper()
	api, objects := newFakeAPI(t)
	f := &followed{api: api}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		f.err = objects.Follow(ctx, Followed{
			Selection: Selection{Mapping: podMapping()}, Version: "100",
			Each:    func(found *request.Metadata, e Event) { f.names = append(f.names, e.Type+" "+found.Name) },
			Observe: func(err error) { f.observed = append(f.observed, err == nil) },
		})
		f.done = true
	}()
	synctest.Wait()
	return f, cancel
}

// A watch that the API server ends is resumed after what it has reported.
func TestFollowResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, cancel := follow(t)
		defer synctest.Wait()
		defer cancel()
		f.api.put(t, "shop", "a", "nginx")
		synctest.Wait()
		f.api.endAll(false)
		synctest.Wait()
		f.api.remove(t, "shop", "a", "nginx")
		synctest.Wait()
		if got := f.api.asked(); !slices.Equal(got, []string{"watch 100", "watch 101"}) {
			t.Errorf("requests %q", got)
		}
		if !slices.Equal(f.names, []string{"ADDED a", "DELETED a"}) || f.done {
			t.Errorf("reported %q, ended %t with %v", f.names, f.done, f.err)
		}
	})
}

// A version that the API server has forgotten, and a refusal, end it.
func TestFollowEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, cancel := follow(t)
		defer cancel()
		f.api.endAll(true)
		synctest.Wait()
		if !f.done || !Expired(f.err) {
			t.Errorf("ended %t with %v", f.done, f.err)
		}
		for _, code := range []int{http.StatusForbidden, http.StatusNotFound} {
			f, cancel := follow(t)
			f.api.set(func() { f.api.refuseWatches = code })
			f.api.endAll(false)
			time.Sleep(lastRetry)
			synctest.Wait()
			if !f.done || !Refused(f.err) {
				t.Errorf("%d: ended %t with %v", code, f.done, f.err)
			}
			cancel()
		}
		f, cancel = follow(t)
		cancel()
		synctest.Wait()
		if !f.done || !errors.Is(f.err, context.Canceled) {
			t.Errorf("ended %t with %v", f.done, f.err)
		}
	})
}

// A watch that fails, or ends at once, is not repeated without a pause, and is observed.
func TestFollowBacksOff(t *testing.T) {
	for name, change := range map[string]func(*fakeAPI){
		"failing":      func(a *fakeAPI) { a.refuseWatches = http.StatusInternalServerError },
		"ends at once": func(a *fakeAPI) { a.endWatches = true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, cancel := follow(t)
				defer synctest.Wait()
				defer cancel()
				f.api.set(func() { change(f.api) })
				f.api.endAll(false)
				time.Sleep(10 * time.Minute)
				if got := len(f.api.asked()); got < 10 || got > 25 {
					t.Errorf("%d requests in ten minutes", got)
				}
				if failing := slices.Contains(f.observed, false); failing != (name == "failing") {
					t.Errorf("observed %v", f.observed)
				}
				f.api.set(func() { f.api.refuseWatches, f.api.endWatches = 0, false })
				time.Sleep(2 * lastRetry)
				if last := len(f.observed) - 1; last < 0 || !f.observed[last] {
					t.Errorf("observed %v", f.observed)
				}
			})
		})
	}
}
