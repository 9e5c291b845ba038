package audit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/audit"
)

func pods(t *testing.T) audit.Selection {
	t.Helper()
	mapping, err := mapper().RESTMapping(corev1.SchemeGroupVersion.WithKind("Pod").GroupKind())
	if err != nil {
		t.Fatal(err)
	}
	return audit.Selection{Mapping: mapping}
}

func fivePods() map[string][]client.Object {
	var all []client.Object
	for i := range 5 {
		all = append(all, pod("n", fmt.Sprint("p", i), "nginx", nil))
	}
	return map[string][]client.Object{"/pods": append(all, pod("other", "p5", "nginx", nil))}
}

// names reads the names of a selection.
func names(ctx context.Context, objects *audit.Objects, s audit.Selection) (all []string, version string, err error) {
	version, err = objects.Each(ctx, s, func(object []byte) error {
		found, err := objects.Metadata(object)
		all = append(all, found.Name)
		return err
	})
	return all, version, err
}

func TestEachReadsEveryObjectOnce(t *testing.T) {
	everywhere, inside := []string{"p0", "p1", "p2", "p3", "p4", "p5"}, []string{"p0", "p1", "p2", "p3", "p4"}
	for name, c := range map[string]struct {
		api       *api
		options   audit.ObjectsOptions
		namespace string
		want      []string
		requests  []string
	}{
		"initial events":                  {&api{}, audit.ObjectsOptions{}, "", everywhere, []string{"/pods  watch"}},
		"initial events in a namespace":   {&api{}, audit.ObjectsOptions{}, "n", inside, []string{"/pods n watch"}},
		"a server that does not send any": {&api{initial: rejected, pageSize: 2}, audit.ObjectsOptions{}, "", everywhere, []string{"/pods  watch", "/pods  list", "/pods  list", "/pods  list"}},
		"a user who may only list":        {&api{initial: noWatch}, audit.ObjectsOptions{}, "n", inside, []string{"/pods n watch", "/pods n list"}},
		"pages":                           {&api{pageSize: 4}, audit.ObjectsOptions{Pages: true}, "", everywhere, []string{"/pods  list", "/pods  list"}},
		"a list that is too large":        {&api{}, audit.ObjectsOptions{MaxBuffered: 300}, "", everywhere, []string{"/pods  watch", "/pods  list"}},
		"pages in a namespace":            {&api{pageSize: 5}, audit.ObjectsOptions{Pages: true}, "n", inside, []string{"/pods n list"}},
		"a page that has expired":         {&api{pageSize: 4, forgets: true}, audit.ObjectsOptions{Pages: true}, "", everywhere, []string{"/pods  list", "/pods  list", "/pods  list"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.api.objects = fivePods()
			selection := pods(t)
			selection.Namespace = c.namespace
			got, version, err := names(t.Context(), c.api.start(t, c.options), selection)
			if err != nil || version != "7" {
				t.Fatalf("version %q, %v", version, err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(c.requests, c.api.asked()); diff != "" {
				t.Errorf("requests, -want +got:\n%s", diff)
			}
		})
	}
}

// What the API server does not send is not asked for again.
func TestEachRemembersThatPagesAreNeeded(t *testing.T) {
	server := &api{objects: fivePods(), initial: rejected}
	objects := server.start(t, audit.ObjectsOptions{})
	for range 2 {
		if _, _, err := names(t.Context(), objects, pods(t)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"/pods  watch", "/pods  list", "/pods  list"}, server.asked()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A list that was too large once is not begun with again. In one namespace, it may not be.
func TestEachRemembersLargeLists(t *testing.T) {
	server := &api{objects: fivePods()}
	objects := server.start(t, audit.ObjectsOptions{MaxBuffered: 300})
	for _, namespace := range []string{"n", "", "n", ""} {
		selection := pods(t)
		selection.Namespace = namespace
		if _, _, err := names(t.Context(), objects, selection); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"/pods n watch", "/pods n list", "/pods  watch", "/pods  list", "/pods n list", "/pods  list"}, server.asked()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Whoever takes their time over each object requests small pages.
func TestPagesAreAsSmallAsAskedFor(t *testing.T) {
	server := &api{objects: fivePods()}
	selection := pods(t)
	selection.PageSize = 4
	all, _, err := names(t.Context(), server.start(t, audit.ObjectsOptions{Pages: true}), selection)
	if err != nil || len(all) != 6 || len(server.asked()) != 2 {
		t.Errorf("%q in %q, %v", all, server.asked(), err)
	}
}

// A server that knows nothing of initial events never says that they have ended. Objects that it has
// sent are not passed on twice.
func TestEachDoesNotWaitForABookmarkForever(t *testing.T) {
	server := &api{objects: fivePods(), initial: ignored}
	objects := server.start(t, audit.ObjectsOptions{MaxSilence: 10 * time.Millisecond})
	got, _, err := names(t.Context(), objects, pods(t))
	if slices.Sort(got); len(slices.Compact(slices.Clone(got))) != len(got) || err == nil && len(got) != 6 {
		t.Errorf("got %q, %v", got, err)
	}
	got, version, err := names(t.Context(), objects, pods(t))
	if err != nil || version != "7" || len(got) != 6 {
		t.Errorf("got %q of version %q, %v", got, version, err)
	}
}

func TestEachReturnsErrors(t *testing.T) {
	own := errors.New("own")
	for name, c := range map[string]struct {
		api  *api
		each error
		is   func(error) bool
	}{
		"forbidden":       {&api{forbidden: "/pods"}, nil, apierrors.IsForbidden},
		"not served":      {&api{missing: "/pods"}, nil, apierrors.IsNotFound},
		"of each":         {&api{}, own, func(err error) bool { return errors.Is(err, own) }},
		"of each, paging": {&api{initial: rejected}, own, func(err error) bool { return errors.Is(err, own) }},
	} {
		t.Run(name, func(t *testing.T) {
			c.api.objects = fivePods()
			calls := 0
			_, err := c.api.start(t, audit.ObjectsOptions{}).Each(t.Context(), pods(t), func([]byte) error {
				calls++
				return c.each
			})
			if err == nil || !c.is(err) || calls > 1 {
				t.Errorf("%d calls, %v", calls, err)
			}
		})
	}
}

func TestScanAllReportsWhatItCannotRead(t *testing.T) {
	server := &api{objects: fivePods(), forbidden: "/secrets", missing: "apps/deployments"}
	scanner := &audit.Scanner{Objects: server.start(t, audit.ObjectsOptions{}), Facts: nothing{}}
	snapshot := exempting(t, nil)
	for name, c := range map[string]struct {
		namespaces []string
		objects    int
		secrets    []string
	}{
		"everywhere":             {nil, 6, []string{""}},
		"in two namespaces":      {[]string{"n", "other"}, 6, []string{"n", "other"}},
		"in an excluded one":     {[]string{"kube-system"}, 0, []string{"kube-system"}},
		"in one without objects": {[]string{"empty"}, 0, []string{"empty"}},
	} {
		t.Run(name, func(t *testing.T) {
			scanned := 0
			var last audit.Progress
			totals, err := scanner.ScanAll(t.Context(), newDecider(snapshot), audit.AllOptions{
				Mapper: mapper(), Namespaces: c.namespaces,
				Each:     func(*audit.Scanned) { scanned++ },
				Progress: func(p audit.Progress) { last = p },
			})
			if err != nil || totals.Objects != c.objects || scanned != c.objects || totals.Undecided != 0 {
				t.Fatalf("%d scanned, %+v, %v", scanned, totals, err)
			}
			if last.Done != last.Total || last.Total == 0 || last.Objects != c.objects || !last.Kind.Empty() {
				t.Errorf("the last progress is %+v", last)
			}
			var secrets []string
			for _, unread := range totals.Unread {
				switch unread.Kind.String() {
				case "Secret":
					secrets = append(secrets, unread.Namespace)
					if unread.NotServed || !apierrors.IsForbidden(unread.Err) {
						t.Errorf("Secrets: %+v", unread)
					}
				case "Deployment.apps":
					if !unread.NotServed {
						t.Errorf("Deployments: %+v", unread)
					}
				default: // the mapper does not know it
					if !unread.NotServed || !meta.IsNoMatchError(unread.Err) {
						t.Errorf("%+v", unread)
					}
				}
			}
			if diff := cmp.Diff(c.secrets, secrets); diff != "" {
				t.Errorf("Secrets, -want +got:\n%s", diff)
			}
		})
	}
}

// An object that cannot be decided is reported with its identity, and the others are decided.
func TestScanReportsUndecidedObjects(t *testing.T) {
	broken := pod("n", "broken", "nginx", nil)
	for i := range 501 {
		broken.Spec.Containers = append(broken.Spec.Containers, corev1.Container{Name: fmt.Sprint("c", i), Image: "nginx:1"})
	}
	server := &api{objects: map[string][]client.Object{"/pods": {broken, pod("n", "good", "nginx", nil)}}}
	scanner := &audit.Scanner{Objects: server.start(t, audit.ObjectsOptions{}), Facts: nothing{}}
	got := map[string]bool{}
	err := scanner.Scan(t.Context(), newDecider(exempting(t, nil)), pods(t), func(s *audit.Scanned) {
		got[s.Namespace+"/"+s.Name] = s.Err == nil
		if (s.Err == nil) != (s.Decision != nil) {
			t.Errorf("%+v", s)
		}
	})
	if diff := cmp.Diff(map[string]bool{"n/broken": false, "n/good": true}, got); err != nil || diff != "" {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
}
