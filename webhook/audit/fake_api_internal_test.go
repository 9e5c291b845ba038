package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// fakeAPI is an API server without a network, for tests in a bubble of testing/synctest. It sends no initial events.
type fakeAPI struct {
	mutex sync.Mutex
	// objects are the Pods in the JSON of stored, by namespace and name.
	objects map[string][]byte
	version int
	// refuseLists and refuseWatches are the HTTP status of the answers, or 0.
	refuseLists, refuseWatches int
	// endWatches makes each watch end at once.
	endWatches bool
	watches    []*fakeWatch
	// requests has the path and the versions of watches.
	requests []string
}

// fakeWatch is the body of a watch.
type fakeWatch struct {
	ctx    context.Context //nolint:containedctx // it is the request's
	events chan []byte
	rest   []byte
}

func (w *fakeWatch) Read(into []byte) (int, error) {
	for len(w.rest) == 0 {
		select {
		case <-w.ctx.Done():
			return 0, w.ctx.Err()
		case event, open := <-w.events:
			if !open {
				return 0, io.EOF
			}
			w.rest = event
		}
	}
	n := copy(into, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

func (w *fakeWatch) Close() error { return nil }

func newFakeAPI(t *testing.T) (*fakeAPI, *Objects) {
	t.Helper()
	api := &fakeAPI{objects: map[string][]byte{}, version: 100}
	objects, err := NewObjects(&rest.Config{Host: "http://api.test", Transport: api}, ObjectsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return api, objects
}

// RoundTrip implements http.RoundTripper.
func (a *fakeAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	query := r.URL.Query()
	if query.Get("watch") != "true" {
		a.requests = append(a.requests, "list "+r.URL.Path)
		if a.refuseLists != 0 {
			return failedResponse(r, a.refuseLists), nil
		}
		return a.list(r), nil
	}
	if query.Get("sendInitialEvents") == "true" {
		return failedResponse(r, http.StatusUnprocessableEntity), nil
	}
	a.requests = append(a.requests, "watch "+query.Get("resourceVersion"))
	if a.refuseWatches != 0 {
		return failedResponse(r, a.refuseWatches), nil
	}
	watch := &fakeWatch{ctx: r.Context(), events: make(chan []byte, 100)}
	if a.endWatches {
		close(watch.events)
	} else {
		a.watches = append(a.watches, watch)
	}
	return response(r, http.StatusOK, watch), nil
}

func (a *fakeAPI) list(r *http.Request) *http.Response {
	namespace := ""
	if _, rest, found := strings.Cut(r.URL.Path, "/namespaces/"); found {
		namespace, _, _ = strings.Cut(rest, "/")
	}
	var items []string
	for _, name := range slices.Sorted(maps.Keys(a.objects)) {
		if namespace == "" || strings.HasPrefix(name, namespace+"/") {
			items = append(items, string(a.objects[name]))
		}
	}
	text := fmt.Sprintf(`{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"%d"},"items":[%s]}`, a.version, strings.Join(items, ","))
	return response(r, http.StatusOK, io.NopCloser(strings.NewReader(text)))
}

func response(r *http.Request, code int, body io.ReadCloser) *http.Response {
	return &http.Response{StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, Request: r}
}

func failedResponse(r *http.Request, code int) *http.Response {
	reasons := map[int]metav1.StatusReason{
		http.StatusForbidden: metav1.StatusReasonForbidden, http.StatusNotFound: metav1.StatusReasonNotFound,
		http.StatusUnprocessableEntity: metav1.StatusReasonInvalid, http.StatusInternalServerError: metav1.StatusReasonInternalError,
	}
	return response(r, code, io.NopCloser(bytes.NewReader(statusText(code, reasons[code]))))
}

func statusText(code int, reason metav1.StatusReason) []byte {
	// A Status has no field without a JSON form.
	text, _ := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Reason: reason, Code: int32(code), Message: "refused: " + string(reason),
	})
	return text
}

// put stores a Pod and reports it to the watches.
func (a *fakeAPI) put(t *testing.T, namespace, name, image string) {
	t.Helper()
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.version++
	object := stored(t, namespace, name, image, a.version)
	kind := "ADDED"
	if _, exists := a.objects[namespace+"/"+name]; exists {
		kind = "MODIFIED"
	}
	a.objects[namespace+"/"+name] = object
	a.send(kind, object)
}

func (a *fakeAPI) remove(t *testing.T, namespace, name, image string) {
	t.Helper()
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.version++
	delete(a.objects, namespace+"/"+name)
	a.send(Deleted, stored(t, namespace, name, image, a.version))
}

func (a *fakeAPI) send(kind string, object []byte) {
	for _, watch := range a.watches {
		watch.events <- fmt.Appendf(nil, `{"type":%q,"object":%s}`+"\n", kind, object)
	}
}

// endAll ends all watches, after an event of the type ERROR if expired.
func (a *fakeAPI) endAll(expired bool) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if expired {
		a.send(failed, statusText(http.StatusGone, metav1.StatusReasonExpired))
	}
	for _, watch := range a.watches {
		close(watch.events)
	}
	a.watches = nil
}

// set changes the API server.
func (a *fakeAPI) set(change func()) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	change()
}

// asked returns the requests since the last call.
func (a *fakeAPI) asked() []string {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	asked := a.requests
	a.requests = nil
	return asked
}
