package facts_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/facts"
)

// answering returns a client that calls a function for each Create.
func answering(t *testing.T, answer func(client.Object) error) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(authenticationv1.AddToScheme(scheme), authorizationv1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(_ context.Context, _ client.WithWatch, object client.Object, _ ...client.CreateOption) error {
			return answer(object)
		},
	}).Build()
}

// The clock returns the time of the API server, or an error.
func TestTheClockIsTheAPIServers(t *testing.T) {
	at := time.Date(2027, 1, 1, 0, 0, 7, 0, time.UTC)
	away := errors.New("away")
	for name, c := range map[string]struct {
		answer func(client.Object) error
		want   time.Time
		err    error
	}{
		"told":     {func(o client.Object) error { o.SetCreationTimestamp(metav1.NewTime(at)); return nil }, at, nil},
		"not told": {func(client.Object) error { return nil }, time.Time{}, nil},
		"away":     {func(client.Object) error { return away }, time.Time{}, away},
	} {
		got, err := facts.NewClock(answering(t, c.answer)).Now(t.Context())
		if !got.Equal(c.want) || (err == nil) != (name == "told") || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

// A SubjectAccessReview describes the user as the API server authenticated them. An unknown
// answer is never a yes.
func TestRightsAreAskedForByWhoNeedsThem(t *testing.T) {
	user := decision.User{Name: "alice", UID: "7", Groups: []string{"dev"}, Extra: map[string][]string{"scopes": {"x"}}}
	for name, c := range map[string]struct {
		ask  func(*facts.Rights) (bool, error)
		want authorizationv1.ResourceAttributes
	}{
		"to relax": {
			func(r *facts.Rights) (bool, error) { return r.MayRelax(t.Context(), user, "g") },
			authorizationv1.ResourceAttributes{Verb: "relax", Group: "taffrail.dev", Version: "v1alpha1", Resource: "guardrails", Name: "g"},
		},
		"to exempt": {
			func(r *facts.Rights) (bool, error) { return r.MayExempt(t.Context(), user, "g", "shop") },
			authorizationv1.ResourceAttributes{Verb: "exempt", Group: "taffrail.dev", Version: "v1alpha1", Resource: "guardrails", Name: "g", Namespace: "shop"},
		},
		"to exempt from every one": {
			func(r *facts.Rights) (bool, error) { return r.MayExempt(t.Context(), user, "", "") },
			authorizationv1.ResourceAttributes{Verb: "exempt", Group: "taffrail.dev", Version: "v1alpha1", Resource: "guardrails"},
		},
	} {
		for _, allowed := range []bool{true, false} {
			may, err := c.ask(facts.NewRights(answering(t, func(o client.Object) error {
				asked := o.(*authorizationv1.SubjectAccessReview)
				want := authorizationv1.SubjectAccessReviewSpec{
					User: "alice", UID: "7", Groups: []string{"dev"}, Extra: map[string]authorizationv1.ExtraValue{"scopes": {"x"}}, ResourceAttributes: &c.want,
				}
				if diff := cmp.Diff(want, asked.Spec); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
				asked.Status = authorizationv1.SubjectAccessReviewStatus{Allowed: allowed, EvaluationError: "one authorizer could not say"}
				return nil
			})))
			if may != allowed || err != nil {
				t.Errorf("%s: got %v, %v", name, may, err)
			}
		}
		away := errors.New("away")
		may, err := c.ask(facts.NewRights(answering(t, func(o client.Object) error {
			o.(*authorizationv1.SubjectAccessReview).Status.Allowed = true
			return away
		})))
		if may || !errors.Is(err, away) {
			t.Errorf("%s: got %v, %v", name, may, err)
		}
	}
}

// reading returns a reader of metadata, and the number of its requests.
func reading(t *testing.T, away map[string]error, objects ...client.Object) (live *facts.Live, asked *int) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(appsv1.AddToScheme(scheme), batchv1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	asked = new(int)
	return facts.NewLive(fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithIndex(&appsv1.Deployment{}, "metadata.name", func(o client.Object) []string { return []string{o.GetName()} }).
		WithInterceptorFuncs(interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
				*asked++
				if err := away[key.Name]; err != nil {
					return err
				}
				return c.Get(ctx, key, o, opts...)
			},
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
				*asked++
				if err := away["list"]; err != nil {
					return err
				}
				return c.List(ctx, list, opts...)
			},
		}).Build()), asked
}

// The identity of an object is read once: its creation time and its controller never change.
func TestMetadataIsReadOnce(t *testing.T) {
	yes := true
	created := metav1.NewTime(time.Date(2027, 1, 1, 0, 0, 7, 0, time.UTC))
	set := replicaSet("shop", "web-1", map[string]string{"app": "web"})
	set.UID, set.CreationTimestamp = "u", created
	set.OwnerReferences = []metav1.OwnerReference{{Kind: "Other", Name: "x", UID: "o"}, {APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: "d", Controller: &yes}}
	away := errors.New("away")
	live, asked := reading(t, map[string]error{"away": away}, set)
	for i, c := range []struct {
		namespace, name, uid string
		found                bool
		reads                int
	}{
		{"shop", "web-1", "u", true, 1}, {"shop", "web-1", "u", true, 1}, {"shop", "web-1", "", true, 2}, {"shop", "web-1", "", true, 3},
		{"shop", "web-1", "v", false, 4}, {"shop", "web-1", "v", false, 5}, {"shop", "gone", "u", false, 6}, {"other", "web-1", "u", false, 7}, {"shop", "web-1", "u", true, 7},
	} {
		object, err := live.Metadata(t.Context(), replicaSets, c.namespace, c.name, c.uid)
		if err != nil || (object != nil) != c.found || *asked != c.reads {
			t.Fatalf("%d: got %+v after %d reads, %v", i, object, *asked, err)
		}
		if c.found && (object.UID != "u" || !object.CreationTimestamp.Equal(&created) || metav1.GetControllerOf(object) == nil || metav1.GetControllerOf(object).UID != "d") {
			t.Errorf("%d: got %+v", i, object)
		}
		if remembered := c.uid != "" && i > 0; c.found && remembered == (len(object.Labels) > 0) {
			t.Errorf("%d: remembered is %+v", i, object)
		}
	}
	if object, err := live.Metadata(t.Context(), replicaSets, "shop", "away", "u"); object != nil || !errors.Is(err, away) || !strings.Contains(err.Error(), "reading ReplicaSet shop/away") {
		t.Errorf("got %+v, %v", object, err)
	}
}

func TestSingleObjectsAreRead(t *testing.T) {
	away := errors.New("away")
	named := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name)}
	}
	live, _ := reading(t, map[string]error{"away": away}, &corev1.Pod{ObjectMeta: named("web")}, &batchv1.CronJob{ObjectMeta: named("web")}, &appsv1.Deployment{ObjectMeta: named("db")}, &appsv1.Deployment{ObjectMeta: named("web")})
	deployments := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	for kind, read := range map[string]func(name string) (map[string]any, error){
		"Pod":        func(name string) (map[string]any, error) { return live.Pod(t.Context(), "shop", name) },
		"CronJob":    func(name string) (map[string]any, error) { return live.CronJob(t.Context(), "shop", name) },
		"Deployment": func(name string) (map[string]any, error) { return live.Owner(t.Context(), deployments, "shop", name) },
	} {
		object, err := read("web")
		if err != nil || object["kind"] != kind || object["metadata"].(map[string]any)["uid"] != "uid-web" {
			t.Errorf("%s: got %v, %v", kind, object, err)
		}
		if object, err := read("gone"); object != nil || err != nil {
			t.Errorf("%s that is not there: got %v, %v", kind, object, err)
		}
		if object, err := read("away"); kind != "Deployment" && (object != nil || !errors.Is(err, away) || !strings.Contains(err.Error(), "reading "+kind+" shop/away")) {
			t.Errorf("%s: got %v, %v", kind, object, err)
		}
	}
	live, _ = reading(t, map[string]error{"list": away})
	if object, err := live.Owner(t.Context(), deployments, "shop", "web"); object != nil || !errors.Is(err, away) || !strings.Contains(err.Error(), "reading Deployment shop/web") {
		t.Errorf("got %v, %v", object, err)
	}
}

// Fresh facts come from the API server at the time of the call. A cluster-scoped object has none.
func TestFreshFacts(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"team": "a"}}}
	limits := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "limits"}}
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "quota"}}
	away := errors.New("away")
	broken := false
	fresh := facts.NewFresh(fake.NewClientBuilder().WithScheme(scheme).WithObjects(namespace, limits, quota).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if broken {
				return away
			}
			return c.List(ctx, list, opts...)
		},
	}).Build())
	if got, err := fresh.Namespace(t.Context(), "shop"); err != nil || !got.Known || got.Name != "shop" || got.Labels["team"] != "a" {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := fresh.Namespace(t.Context(), ""); err != nil || !got.Known || got.Name != "" {
		t.Errorf("got %+v, %v", got, err)
	}
	both := []decision.Fact{decision.FactLimitRanges, decision.FactResourceQuotas}
	if got, err := fresh.Facts(t.Context(), "shop", both); err != nil || !got.Fresh || len(got.LimitRanges) != 1 || len(got.ResourceQuotas) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := fresh.Facts(t.Context(), "shop", both[:1]); err != nil || len(got.LimitRanges) != 1 || got.ResourceQuotas != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := fresh.Facts(t.Context(), "", both); err != nil || !got.Fresh || got.LimitRanges != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	broken = true
	_, err := fresh.Facts(t.Context(), "shop", both)
	if named := new(facts.NamespaceError); !errors.Is(err, away) || !errors.As(err, &named) || named.Name != "shop" || err.Error() != fmt.Sprintf("namespace %q: %v", "shop", named.Err) {
		t.Errorf("got %v", err)
	}
}
