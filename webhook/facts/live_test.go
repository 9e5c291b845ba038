package facts_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"taffrail.dev/webhook/facts"
)

func liveReader(t *testing.T, funcs interceptor.Funcs, objects ...client.Object) *facts.Live {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(appsv1.AddToScheme(scheme), batchv1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	return facts.NewLive(fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(funcs).Build())
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
		found, err := all(live.Revisions(t.Context(), replicaSets, "shop", selector))
		if err != nil || len(found) != 1 || found[0]["metadata"].(map[string]any)["name"] != "web-1" {
			t.Errorf("%s: got %v %v", name, found, err)
		}
	}
	for name, selector := range map[string]map[string]any{
		"no selector": {"matchLabels": "text"},
		"no operator": {"matchExpressions": []any{map[string]any{"key": "app", "operator": "Like"}}},
	} {
		if found, err := all(live.Revisions(t.Context(), replicaSets, "shop", selector)); err == nil {
			t.Errorf("%s: got %v", name, found)
		}
	}
}

// Revisions are read page by page, only as far as needed, and up to a limit.
func TestRevisionsAreBounded(t *testing.T) {
	for name, test := range map[string]struct{ pages, wanted, asked, found int }{
		"some": {3, 1000, 3, 60}, "too many": {1000, 1000, 10, 200}, "the first": {3, 1, 1, 1}, "the next page's": {3, 21, 2, 21},
	} {
		asked := 0
		live := liveReader(t, interceptor.Funcs{List: func(_ context.Context, _ client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
			var o client.ListOptions
			o.ApplyOptions(opts)
			if asked > 0 && o.Continue != fmt.Sprint(asked) || o.Limit == 0 {
				t.Fatalf("page %d: asked for %+v", asked, o)
			}
			asked++
			list := l.(*unstructured.UnstructuredList)
			list.Items = make([]unstructured.Unstructured, o.Limit)
			if asked < test.pages {
				list.SetContinue(fmt.Sprint(asked))
			}
			return nil
		}})
		found := 0
		for _, err := range live.Revisions(t.Context(), replicaSets, "shop", map[string]any{"matchLabels": map[string]any{"app": "web"}}) {
			if err != nil {
				t.Fatal(err)
			}
			if found++; found == test.wanted {
				break
			}
		}
		if asked != test.asked || found != test.found {
			t.Errorf("%s: found %d, asked %d times", name, found, asked)
		}
	}
}

// Lists may be large, so only a few are read concurrently. Others wait as long as their request allows.
func TestFewReadRevisionsAtOnce(t *testing.T) {
	reading, finish := make(chan struct{}), make(chan struct{})
	live := liveReader(t, interceptor.Funcs{List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
		reading <- struct{}{}
		<-finish
		return nil
	}})
	list := func(ctx context.Context) error {
		_, err := all(live.Revisions(ctx, replicaSets, "shop", map[string]any{}))
		return err
	}
	var group errgroup.Group
	for range 4 {
		group.Go(func() error { return list(t.Context()) })
		<-reading
	}
	late, cancel := context.WithCancel(t.Context())
	cancel()
	if err := list(late); !errors.Is(err, context.Canceled) {
		t.Errorf("the fifth got %v", err)
	}
	close(finish)
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

func all(revisions iter.Seq2[map[string]any, error]) (found []map[string]any, err error) {
	for revision, err := range revisions {
		if err != nil {
			return nil, err
		}
		found = append(found, revision)
	}
	return found, nil
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
