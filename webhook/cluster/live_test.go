package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"taffrail.dev/webhook/cluster"
)

func liveReader(t *testing.T, funcs interceptor.Funcs, objects ...client.Object) *cluster.Live {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(appsv1.AddToScheme(scheme), batchv1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	return cluster.NewLive(fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(funcs).Build())
}

func replicaSet(namespace, name string, labels map[string]string) *appsv1.ReplicaSet {
	return &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels}}
}

var replicaSets = appsv1.SchemeGroupVersion.WithKind("ReplicaSet")

func TestRevisionsAreThoseThatTheSelectorMatches(t *testing.T) {
	web := map[string]string{"app": "web"}
	live := liveReader(t, interceptor.Funcs{},
		replicaSet("shop", "web-1", web), replicaSet("shop", "db-1", map[string]string{"app": "db"}), replicaSet("other", "web-2", web))
	for name, selector := range map[string]map[string]any{
		"labels":      {"matchLabels": map[string]any{"app": "web"}},
		"expressions": {"matchExpressions": []any{map[string]any{"key": "app", "operator": "NotIn", "values": []any{"db"}}}},
	} {
		found, err := live.Revisions(t.Context(), replicaSets, "shop", selector)
		if err != nil || len(found) != 1 || found[0]["metadata"].(map[string]any)["name"] != "web-1" {
			t.Errorf("%s: got %v %v", name, found, err)
		}
	}
	for name, selector := range map[string]map[string]any{
		"no selector": {"matchLabels": "text"},
		"no operator": {"matchExpressions": []any{map[string]any{"key": "app", "operator": "Like"}}},
	} {
		if found, err := live.Revisions(t.Context(), replicaSets, "shop", selector); err == nil {
			t.Errorf("%s: got %v", name, found)
		}
	}
}

// Many revisions come page by page, and there is an end to them.
func TestRevisionsAreBounded(t *testing.T) {
	for pages, want := range map[int]error{3: nil, 1000: cluster.ErrTooManyRevisions} {
		asked := 0
		live := liveReader(t, interceptor.Funcs{List: func(_ context.Context, _ client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
			var o client.ListOptions
			o.ApplyOptions(opts)
			if last := fmt.Sprint(asked); asked > 0 && o.Continue != last || o.Limit == 0 {
				t.Fatalf("page %d: asked for %+v", asked, o)
			}
			asked++
			list := l.(*unstructured.UnstructuredList)
			list.Items = make([]unstructured.Unstructured, o.Limit)
			list.SetContinue("")
			if asked < pages {
				list.SetContinue(fmt.Sprint(asked))
			}
			return nil
		}})
		found, err := live.Revisions(t.Context(), replicaSets, "shop", map[string]any{"matchLabels": map[string]any{"app": "web"}})
		if !errors.Is(err, want) || want == nil && (err != nil || asked != pages || len(found) == 0) {
			t.Errorf("%d pages: got %d objects in %d, %v", pages, len(found), asked, err)
		}
		if asked > 20 {
			t.Errorf("asked %d times", asked)
		}
	}
}

func TestCronJob(t *testing.T) {
	stored := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "nightly"}}
	live := liveReader(t, interceptor.Funcs{}, stored)
	if found, err := live.CronJob(t.Context(), "shop", "nightly"); err != nil || found["kind"] != "CronJob" {
		t.Errorf("got %v %v", found, err)
	}
	if found, err := live.CronJob(t.Context(), "other", "nightly"); err != nil || found != nil {
		t.Errorf("one that is not there: got %v %v", found, err)
	}
	away := errors.New("away")
	live = liveReader(t, interceptor.Funcs{Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
		return away
	}})
	if found, err := live.CronJob(t.Context(), "shop", "nightly"); !errors.Is(err, away) {
		t.Errorf("with the API server away: got %v %v", found, err)
	}
}
