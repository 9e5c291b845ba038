package audit_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/audit"
)

// api is an API server that serves fixed objects.
type api struct {
	// objects maps resources, as in apps/deployments or /pods, to their objects.
	objects map[string][]client.Object
	// initial is what the server does about sendInitialEvents.
	initial initialEvents
	// pageSize replaces the limit of the requests if it is not 0.
	pageSize int
	// forbidden and missing have the resources that may not be read, and that are not served.
	forbidden, missing string
	// forgets makes the second page of every list expire once.
	forgets bool

	mutex    sync.Mutex
	requests []string
	forgot   bool
}

type initialEvents int

const (
	sent initialEvents = iota
	// rejected is the answer of a server that does not send them.
	rejected
	// ignored is that of a server that knows nothing of them: it sends the objects and never a bookmark.
	ignored
	// noWatch is the answer to a user who may only list.
	noWatch
)

func (a *api) start(t *testing.T, o audit.ObjectsOptions) *audit.Objects {
	t.Helper()
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	objects, err := audit.NewObjects(&rest.Config{Host: server.URL}, o)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	resource, namespace := parse(r.URL.Path)
	a.mutex.Lock()
	a.requests = append(a.requests, strings.TrimSpace(resource+" "+namespace+" "+map[bool]string{true: "watch", false: "list"}[query.Get("watch") == "true"]))
	a.mutex.Unlock()
	var found []client.Object
	for _, object := range a.objects[resource] {
		if namespace == "" || object.GetNamespace() == namespace {
			found = append(found, object)
		}
	}
	switch {
	case resource == a.forbidden:
		refuse(w, http.StatusForbidden, metav1.StatusReasonForbidden, "")
	case resource == a.missing:
		refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound, "")
	case query.Get("watch") == "true":
		a.watch(w, r, found)
	default:
		a.list(w, query.Get("limit"), query.Get("continue"), found)
	}
}

func (a *api) watch(w http.ResponseWriter, r *http.Request, found []client.Object) {
	query := r.URL.Query()
	switch {
	case query.Get("sendInitialEvents") != "true" || query.Get("resourceVersionMatch") != "NotOlderThan" || query.Get("allowWatchBookmarks") != "true":
		refuse(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, "")
		return
	case a.initial == rejected:
		refuse(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "")
		return
	case a.initial == noWatch:
		refuse(w, http.StatusForbidden, metav1.StatusReasonForbidden, "")
		return
	}
	for _, object := range found {
		event(w, "ADDED", object)
	}
	if a.initial == sent {
		event(w, "BOOKMARK", map[string]any{"metadata": map[string]any{"resourceVersion": "5"}})
		event(w, "BOOKMARK", map[string]any{"metadata": map[string]any{"resourceVersion": "7", "annotations": map[string]any{"k8s.io/initial-events-end": "true"}}})
	}
	flush(w)
	<-r.Context().Done()
}

func (a *api) list(w http.ResponseWriter, limit, next string, found []client.Object) {
	size, err := strconv.Atoi(limit)
	if err != nil {
		refuse(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, "")
		return
	}
	if a.pageSize > 0 {
		size = a.pageSize
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if next != "" && a.forgets && !a.forgot {
		a.forgot = true
		refuse(w, http.StatusGone, metav1.StatusReasonExpired, next)
		return
	}
	from, _ := strconv.Atoi(next)
	to := min(from+size, len(found))
	metadata := map[string]any{"resourceVersion": "7"}
	if to < len(found) {
		metadata["continue"] = strconv.Itoa(to)
	}
	// As a typed list, whose items do not say what they are.
	items := []any{}
	for _, object := range found[from:to] {
		item := object.DeepCopyObject()
		item.GetObjectKind().SetGroupVersionKind(object.GetObjectKind().GroupVersionKind().GroupVersion().WithKind(""))
		items = append(items, item)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items})
}

// asked returns the requests so far.
func (a *api) asked() []string {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return slices.Clone(a.requests)
}

// parse returns the resource and the namespace of a path.
func parse(path string) (resource, namespace string) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	group := ""
	if parts[0] == "apis" {
		group, parts = parts[1], parts[1:]
	}
	parts = parts[2:]
	if parts[0] == "namespaces" && len(parts) > 1 {
		namespace, parts = parts[1], parts[2:]
	}
	return group + "/" + parts[0], namespace
}

func event(w http.ResponseWriter, kind string, object any) {
	_ = json.NewEncoder(w).Encode(struct {
		Type   string `json:"type"`
		Object any    `json:"object"`
	}{kind, object})
}

func flush(w http.ResponseWriter) {
	if flusher, ok := w.(http.Flusher); ok {
		flusher.Flush()
	}
}

func refuse(w http.ResponseWriter, code int, reason metav1.StatusReason, next string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, ListMeta: metav1.ListMeta{Continue: next},
		Status: metav1.StatusFailure, Reason: reason, Code: int32(code), Message: fmt.Sprint("refused: ", reason), //nolint:gosec // an HTTP status
	})
}
