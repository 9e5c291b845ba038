package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// fakeCluster is what taffrail needs of an API server: reads of the objects that it was given, in
// pages, and discovery. It fails the test if anything is written, or if a Secret is read although it has none.
type fakeCluster struct {
	t       *testing.T
	objects []unstructured.Unstructured
	// forbidden has the resources that nobody may read.
	forbidden []string
	// blocking has the resources whose lists never end, and blocked receives when one is read.
	blocking []string
	blocked  chan<- struct{}
}

// fakePage is the number of objects in a page, however many a client wants.
const fakePage = 2

// startCluster returns the command of scripts. The objects of the kind Forbidden in the file name
// the resources that nobody may read, and those of the kind Blocking the resources whose lists never
// end. A second file is that of another cluster.
func startCluster(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, negated bool, args []string) {
		if negated || len(args) < 1 || len(args) > 2 {
			ts.Fatalf("usage: cluster FILE [FILE]")
		}
		urls := []string{"http://127.0.0.1:1", "http://127.0.0.1:1"}
		for i, file := range args {
			server := httptest.NewServer(newFakeCluster(t, ts, file))
			ts.Defer(server.Close)
			urls[i] = server.URL
		}
		kubeconfig := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: admin@prod
contexts:
- {name: admin@prod, context: {cluster: prod, user: admin, namespace: shop}}
- {name: admin@staging, context: {cluster: staging, user: admin, namespace: shop}}
- {name: elsewhere, context: {cluster: elsewhere, user: admin}}
clusters:
- {name: prod, cluster: {server: %q}}
- {name: staging, cluster: {server: %q}}
- {name: elsewhere, cluster: {server: "http://127.0.0.1:1"}}
users: [{name: admin, user: {}}]
`, urls[0], urls[1])
		ts.Check(os.WriteFile(ts.MkAbs("kubeconfig"), []byte(kubeconfig), 0o600))
		ts.Setenv("KUBECONFIG", ts.MkAbs("kubeconfig"))
	}
}

func newFakeCluster(t *testing.T, ts *testscript.TestScript, file string) *fakeCluster {
	blocked, _ := ts.Value(blockedKey{}).(chan struct{})
	fake := &fakeCluster{t: t, blocked: blocked}
	for text := range strings.SplitSeq(ts.ReadFile(file), "\n---\n") {
		var object unstructured.Unstructured
		ts.Check(yaml.Unmarshal([]byte(text), &object.Object))
		switch object.GetKind() {
		case "Forbidden":
			fake.forbidden = append(fake.forbidden, object.GetName())
		case "Blocking":
			fake.blocking = append(fake.blocking, object.GetName())
		default:
			fake.objects = append(fake.objects, object)
		}
	}
	slices.SortFunc(fake.objects, func(a, b unstructured.Unstructured) int {
		return cmp.Or(strings.Compare(a.GetNamespace(), b.GetNamespace()), strings.Compare(a.GetName(), b.GetName()))
	})
	return fake
}

// blockedKey is the key of the channel that says that a list which never ends is read.
type blockedKey struct{}

// waitBlocked is the command of scripts that waits until a list that never ends is read.
func waitBlocked(ts *testscript.TestScript, negated bool, args []string) {
	blocked, ok := ts.Value(blockedKey{}).(chan struct{})
	if negated || len(args) > 0 || !ok {
		ts.Fatalf("usage: blocked")
	}
	<-blocked
}

// resourceOf returns the resource of a kind.
func resourceOf(kind string) string {
	switch kind {
	case "Policy":
		return "policies"
	case "StorageClass":
		return "storageclasses"
	}
	return strings.ToLower(kind) + "s"
}

func (f *fakeCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		f.t.Errorf("%s %s", r.Method, r.URL)
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if parts[0] == "api" {
		parts = slices.Insert(parts, 1, "") // the core group
	}
	switch {
	case len(parts) == 2 && parts[0] == "api":
		answer(w, http.StatusOK, metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}})
	case len(parts) == 1:
		answer(w, http.StatusOK, f.groups())
	case len(parts) == 3:
		answer(w, http.StatusOK, f.resources(schema.GroupVersion{Group: parts[1], Version: parts[2]}))
	default:
		f.read(w, r, schema.GroupVersion{Group: parts[1], Version: parts[2]}, parts[3:])
	}
}

// read answers for rest, which is RESOURCE[/NAME] or namespaces/NAMESPACE/RESOURCE[/NAME].
func (f *fakeCluster) read(w http.ResponseWriter, r *http.Request, version schema.GroupVersion, rest []string) {
	namespace := ""
	if rest[0] == "namespaces" && len(rest) > 2 {
		namespace, rest = rest[1], rest[2:]
	}
	resource := version.WithResource(rest[0]).GroupResource()
	holdsSecrets := slices.ContainsFunc(f.objects, func(o unstructured.Unstructured) bool { return o.GetKind() == "Secret" })
	if resource.Resource == "secrets" && !holdsSecrets {
		f.t.Errorf("a Secret was read: %s", r.URL)
	}
	if slices.Contains(f.forbidden, resource.Resource) {
		refuse(w, apierrors.NewForbidden(resource, "", fmt.Errorf(`User "ci" cannot read resource %q`, resource.Resource)))
		return
	}
	if slices.Contains(f.blocking, resource.Resource) {
		f.blocked <- struct{}{}
		<-r.Context().Done()
		return
	}
	selector, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	if err != nil {
		f.t.Error(err)
		return
	}
	found, served := []unstructured.Unstructured{}, false
	for _, object := range f.objects {
		gvk := object.GroupVersionKind()
		if gvk.GroupVersion() != version || resourceOf(gvk.Kind) != rest[0] {
			continue
		}
		served = true
		if !selector.Matches(labels.Set(object.GetLabels())) {
			continue
		}
		if (namespace == "" || object.GetNamespace() == namespace) && (len(rest) == 1 || object.GetName() == rest[1]) {
			found = append(found, object)
		}
	}
	switch {
	case len(rest) == 2 && len(found) == 1:
		answer(w, http.StatusOK, found[0].Object)
	case len(rest) == 2:
		refuse(w, apierrors.NewNotFound(resource, rest[1]))
	case !served && version.Group == "taffrail.dev" && rest[0] == "guardrails":
		refuse(w, apierrors.NewGenericServerResponse(http.StatusNotFound, "get", resource, "", "404 page not found", 0, true))
	default:
		f.page(w, r, found)
	}
}

func (f *fakeCluster) page(w http.ResponseWriter, r *http.Request, found []unstructured.Unstructured) {
	from, _ := strconv.Atoi(r.URL.Query().Get("continue")) // 0 on the first page
	if limit := r.URL.Query().Get("limit"); limit == "" || limit == "0" {
		f.t.Errorf("%s: a list without a limit", r.URL)
	}
	to, metadata := min(from+fakePage, len(found)), map[string]any{"resourceVersion": "1"}
	if to < len(found) {
		metadata["continue"] = strconv.Itoa(to)
	}
	items := []any{}
	for _, object := range found[from:to] {
		items = append(items, object.Object)
	}
	answer(w, http.StatusOK, map[string]any{"metadata": metadata, "items": items})
}

func (f *fakeCluster) groups() metav1.APIGroupList {
	list := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	for _, object := range f.objects {
		version := object.GroupVersionKind().GroupVersion()
		known := slices.ContainsFunc(list.Groups, func(g metav1.APIGroup) bool { return g.Name == version.Group })
		if version.Group == "" || known {
			continue
		}
		served := metav1.GroupVersionForDiscovery{GroupVersion: version.String(), Version: version.Version}
		list.Groups = append(list.Groups, metav1.APIGroup{Name: version.Group, Versions: []metav1.GroupVersionForDiscovery{served}, PreferredVersion: served})
	}
	return list
}

func (f *fakeCluster) resources(version schema.GroupVersion) metav1.APIResourceList {
	list := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: version.String()}
	add := func(kind string, namespaced bool) {
		name := resourceOf(kind)
		if !slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == name }) {
			list.APIResources = append(list.APIResources, metav1.APIResource{
				Name: name, SingularName: strings.ToLower(kind), Kind: kind, Namespaced: namespaced, Verbs: metav1.Verbs{"get", "list"},
				ShortNames: map[string][]string{"Deployment": {"deploy"}, "Namespace": {"ns"}}[kind],
			})
		}
	}
	for _, object := range f.objects {
		if gvk := object.GroupVersionKind(); gvk.GroupVersion() == version {
			add(gvk.Kind, object.GetNamespace() != "")
		}
	}
	if version.Group == "" {
		add("Secret", true)
	}
	return list
}

func refuse(w http.ResponseWriter, err *apierrors.StatusError) {
	status := err.Status()
	status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	answer(w, int(status.Code), status)
}

func answer(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(value) // the client may be gone
}
