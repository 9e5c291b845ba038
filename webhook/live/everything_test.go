package live_test

import (
	"context"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/live"
)

// counted counts the requests of a reader.
func counted(t *testing.T, forbidden ...string) (client.Reader, *int) {
	t.Helper()
	requests := 0
	store, ok := store(t, forbidden...).(client.WithWatch)
	if !ok {
		t.Fatal("the store cannot be wrapped")
	}
	return interceptor.NewClient(store, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
			requests++
			return c.List(ctx, list, o...)
		},
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, o ...client.GetOption) error {
			requests++
			return c.Get(ctx, key, object, o...)
		},
	}), &requests
}

// The facts of all namespaces take one list for each kind, and are those that are read one by one.
func TestReadEverything(t *testing.T) {
	reader, requests := counted(t)
	all, each := live.NewFacts(reader), live.NewFacts(store(t))
	if err := all.ReadEverything(t.Context()); err != nil {
		t.Fatal(err)
	}
	read := *requests
	for _, namespace := range []string{"shop", "other"} {
		want, err := each.Namespace(t.Context(), namespace)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := all.Namespace(t.Context(), namespace); err != nil || !got.Known || got.Labels["team"] != want.Labels["team"] {
			t.Errorf("%s: %+v, %v", namespace, got, err)
		}
		for _, fact := range decision.AllFacts() {
			if fact == decision.FactStorageClasses {
				continue // they are in no namespace
			}
			want, err := each.Facts(t.Context(), namespace, []decision.Fact{fact})
			if err != nil {
				t.Fatal(err)
			}
			got, err := all.Facts(t.Context(), namespace, []decision.Fact{fact})
			if err != nil || names(&got, fact) != names(&want, fact) {
				t.Errorf("%s of %s: %s instead of %s, %v", fact, namespace, names(&got, fact), names(&want, fact), err)
			}
		}
	}
	if *requests != read || read != 5 {
		t.Errorf("%d requests at once, and %d afterward", read, *requests-read)
	}
}

// What may not be listed everywhere is read where it is needed.
func TestReadEverythingWithFewRights(t *testing.T) {
	reader, requests := counted(t, "limitranges")
	facts := live.NewFacts(reader)
	if err := facts.ReadEverything(t.Context()); err != nil {
		t.Fatal(err)
	}
	read := *requests
	if len(facts.Unread()) > 0 {
		t.Errorf("nobody needs them yet: %v", facts.Unread())
	}
	if _, err := facts.Facts(t.Context(), "shop", []decision.Fact{decision.FactLimitRanges}); err != nil || *requests == read {
		t.Errorf("the LimitRanges of the namespace are not read: %v", err)
	}
	if unread := facts.Unread(); len(unread) != 1 || unread[0].Namespace != "shop" {
		t.Errorf("unread: %v", unread)
	}
	if found, err := facts.Facts(t.Context(), "shop", []decision.Fact{decision.FactResourceQuotas}); err != nil || !slices.ContainsFunc(found.ResourceQuotas, func(q *corev1.ResourceQuota) bool { return q.Name == "team" }) {
		t.Errorf("%+v, %v", found, err)
	}
}
