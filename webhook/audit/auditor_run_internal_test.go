package audit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
)

// fakeMapper maps Pods.
type fakeMapper struct {
	meta.RESTMapper

	mutex   sync.Mutex
	mapping *meta.RESTMapping
	err     error
}

func (m *fakeMapper) RESTMapping(kind schema.GroupKind, _ ...string) (*meta.RESTMapping, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if kind.Kind != "Pod" {
		return nil, &meta.NoKindMatchError{GroupKind: kind}
	}
	return m.mapping, m.err
}

func (m *fakeMapper) set(mapping *meta.RESTMapping, err error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.mapping, m.err = mapping, err
}

// runningAuditor is an Auditor that runs in a bubble.
type runningAuditor struct {
	*Auditor

	api    *fakeAPI
	mapper *fakeMapper
	began  time.Time
}

// audit runs a test with an Auditor of Pods, to which change is applied before it starts.
func audit(t *testing.T, change func(*runningAuditor), test func(t *testing.T, a *runningAuditor)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		api, objects := newFakeAPI(t)
		a := &runningAuditor{api: api, mapper: &fakeMapper{mapping: podMapping()}, began: time.Now()}
		a.Auditor = NewAuditor(AuditorOptions{
			Objects: objects, Facts: place{}, Mapper: a.mapper, Pace: 1e6, Resync: 1000 * time.Hour,
			Changed: func(string) {}, StateChanged: func() {}, Now: time.Now, Log: logr.Discard(),
		})
		api.put(t, "shop", "a", "nginx")
		change(a)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			a.Run(ctx)
		}()
		test(t, a)
		cancel()
		<-ended
	})
}

// configure binds policies in mode enforce.
func (a *runningAuditor) configure(t *testing.T, exemptions []v1alpha1.Exemption, names ...string) {
	t.Helper()
	library, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	objects := config.Objects{Exemptions: exemptions}
	if len(names) > 0 {
		g := v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: "g"}, Spec: v1alpha1.GuardrailSpec{Mode: v1alpha1.ModeEnforce}}
		for _, name := range names {
			g.Spec.Policies = append(g.Spec.Policies, v1alpha1.PolicyBinding{Name: name})
		}
		objects.Guardrails = append(objects.Guardrails, g)
	}
	snapshot, problems, err := config.Build(t.Context(), library, objects)
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	a.Configure(pipeline.New(snapshot, place{}, pipeline.Options{}))
}

// after lets so much time pass, and returns the State.
func (a *runningAuditor) after(d time.Duration) State {
	time.Sleep(d)
	synctest.Wait()
	return a.State()
}

func (a *runningAuditor) unread() (reasons []string) {
	state := a.State()
	for _, u := range state.Unread {
		if u.Kind.Kind == "Pod" {
			reasons = append(reasons, u.Err.Error())
		}
	}
	return reasons
}

func (a *runningAuditor) want(t *testing.T, what string, names ...string) {
	t.Helper()
	objects, _ := a.Findings("shop")
	var got []string
	for i := range objects {
		got = append(got, objects[i].Name)
	}
	if !slices.Equal(got, names) {
		t.Errorf("%s: findings in %q, want %q", what, got, names)
	}
}

// While the first reading of a kind fails, the audit is not complete: reports of an earlier one must stay.
func TestAFirstReadingThatFails(t *testing.T) {
	audit(t, func(a *runningAuditor) {
		a.api.refuseLists = http.StatusInternalServerError
		a.configure(t, nil, "image-tag")
	}, func(t *testing.T, a *runningAuditor) {
		if s := a.after(maxLag / 2); s.Complete || s.Since.Sub(a.began) > time.Second || len(a.unread()) > 0 {
			t.Errorf("at first: %+v", s)
		}
		if s := a.after(maxLag); s.Complete || len(a.unread()) != 1 || !strings.Contains(a.unread()[0], "InternalError") {
			t.Errorf("later: %+v", s)
		}
		a.api.set(func() { a.api.refuseLists = 0 })
		if s := a.after(2 * lastRetry); !s.Complete || !s.Since.IsZero() || len(a.unread()) > 0 {
			t.Errorf("in the end: %+v", s)
		}
		a.want(t, "in the end", "a")
	})
}

// What the API server refuses is not read, and does not keep the audit from being complete. What was found in it stays,
// until the kind is not served any longer.
func TestAKindThatIsRefusedLater(t *testing.T) {
	audit(t, func(a *runningAuditor) { a.configure(t, nil, "image-tag") }, func(t *testing.T, a *runningAuditor) {
		a.after(time.Second)
		a.want(t, "at first", "a")
		a.api.set(func() { a.api.refuseLists, a.api.refuseWatches = http.StatusForbidden, http.StatusForbidden })
		a.api.endAll(false)
		if s := a.after(5 * time.Minute); !s.Complete || !s.Since.IsZero() || len(a.unread()) != 1 {
			t.Errorf("forbidden: %+v", s)
		}
		a.want(t, "forbidden", "a")
		a.api.set(func() { a.api.refuseLists = http.StatusNotFound })
		a.after(2 * refusedRetry)
		a.want(t, "not served")
		a.api.set(func() { a.api.refuseLists, a.api.refuseWatches = 0, 0 })
		if s := a.after(2 * refusedRetry); !s.Complete || len(a.unread()) > 0 {
			t.Errorf("permitted: %+v", s)
		}
		a.want(t, "permitted", "a")
	})
}

// A watch that keeps failing makes the findings not current, and says why.
func TestAWatchThatFails(t *testing.T) {
	audit(t, func(a *runningAuditor) { a.configure(t, nil, "image-tag") }, func(t *testing.T, a *runningAuditor) {
		a.after(time.Minute)
		a.api.set(func() { a.api.refuseWatches = http.StatusInternalServerError })
		a.api.endAll(false)
		s := a.after(maxLag / 2)
		if s.Since.IsZero() || !s.Current(time.Now()) || len(a.unread()) > 0 {
			t.Errorf("at first: %+v", s)
		}
		since := s.Since
		if s = a.after(maxLag); s.Current(time.Now()) || !s.Since.Equal(since) || len(a.unread()) != 1 {
			t.Errorf("later: %+v", s)
		}
		a.api.set(func() { a.api.refuseWatches = 0 })
		if s = a.after(2 * lastRetry); !s.Current(time.Now()) || !s.Since.IsZero() || len(a.unread()) > 0 {
			t.Errorf("in the end: %+v", s)
		}
	})
}

// What changes while a watch has expired is found.
func TestAWatchThatExpires(t *testing.T) {
	audit(t, func(a *runningAuditor) { a.configure(t, nil, "image-tag") }, func(t *testing.T, a *runningAuditor) {
		a.after(time.Minute)
		a.api.put(t, "shop", "b", "nginx")
		a.after(0)
		a.want(t, "watched", "a", "b")
		a.api.endAll(true)
		a.api.remove(t, "shop", "a", "nginx")
		a.api.put(t, "shop", "c", "nginx")
		s := a.after(time.Minute)
		a.want(t, "after it has expired", "b", "c")
		if want := (Decisions{Changed: 1, Listed: 2}); s.Decisions != want {
			t.Errorf("%+v, want %+v", s.Decisions, want)
		}
		a.api.put(t, "shop", "b", "nginx:1.27.3")
		a.after(0)
		a.want(t, "followed again", "c")
	})
}

// Without a Guardrail nothing is found, and that is all that there is to find.
func TestNothingIsBound(t *testing.T) {
	audit(t, func(*runningAuditor) {}, func(t *testing.T, a *runningAuditor) {
		if s := a.after(time.Minute); s.Complete {
			t.Errorf("before the first configuration: %+v", s)
		}
		a.configure(t, nil)
		if s := a.after(time.Minute); !s.Complete || len(s.Unread) > 0 {
			t.Errorf("%+v", s)
		}
		a.configure(t, nil, "image-tag")
		a.after(time.Minute)
		a.want(t, "bound", "a")
		a.configure(t, nil)
		a.after(time.Minute)
		a.want(t, "not bound any longer")
		a.configure(t, nil, "image-tag")
		a.after(time.Minute)
		a.want(t, "bound again", "a")
	})
}

// That discovery fails does not mean that the cluster does not serve a kind.
func TestDiscoveryThatFails(t *testing.T) {
	audit(t, func(a *runningAuditor) {
		a.mapper.err = errors.New("discovery failed")
		a.configure(t, nil, "image-tag")
	}, func(t *testing.T, a *runningAuditor) {
		if s := a.after(time.Minute); s.Complete || s.Since.Sub(a.began) > time.Second || len(a.unread()) != 1 {
			t.Errorf("it fails: %+v", s)
		}
		for _, u := range a.State().Unread {
			if u.NotServed == (u.Kind.Kind == "Pod") {
				t.Errorf("%+v", u)
			}
		}
		a.mapper.set(podMapping(), nil)
		if s := a.after(2 * mapRetry); !s.Complete || !s.Since.IsZero() {
			t.Errorf("it is served: %+v", s)
		}
		a.want(t, "served", "a")
		a.mapper.set(nil, errors.New("discovery failed"))
		if s := a.after(2 * mapInterval); !s.Complete {
			t.Errorf("it fails again: %+v", s)
		}
		a.want(t, "discovery fails again", "a")
	})
}

// A kind that is served in another version is read again in that version, with what is known about it. One that is not
// served any longer is forgotten.
func TestAKindIsServedOtherwise(t *testing.T) {
	audit(t, func(a *runningAuditor) { a.configure(t, nil, "image-tag") }, func(t *testing.T, a *runningAuditor) {
		a.after(time.Minute)
		objects, _ := a.Findings("shop")
		seen := objects[0].Findings[0].FirstSeen
		a.api.asked()
		other := podMapping()
		other.Resource.Version, other.GroupVersionKind.Version = "v2", "v2"
		a.mapper.set(other, nil)
		if s := a.after(2 * mapInterval); !s.Complete {
			t.Errorf("%+v", s)
		}
		if got := a.api.asked(); !slices.Contains(got, "list /api/v2/pods") {
			t.Errorf("requests %q", got)
		}
		if objects, _ = a.Findings("shop"); len(objects) != 1 || !objects[0].Findings[0].FirstSeen.Equal(seen) {
			t.Errorf("%+v, first seen at %s", objects, seen)
		}
		a.mapper.set(nil, &meta.NoKindMatchError{GroupKind: schema.GroupKind{Kind: "Pod"}})
		if s := a.after(2 * mapInterval); !s.Complete || len(a.unread()) != 1 {
			t.Errorf("%+v", s)
		}
		a.want(t, "not served")
		a.mapper.set(podMapping(), nil)
		a.after(2 * mapInterval)
		a.want(t, "served again", "a")
	})
}

// What an Exemption exempts is found when it has expired, and nothing else is decided again.
func TestAnExemptionExpires(t *testing.T) {
	audit(t, func(a *runningAuditor) {
		a.api.put(t, "other", "b", "nginx")
		expires := a.began.Add(48 * time.Hour).Format(time.DateOnly)
		a.configure(t, []v1alpha1.Exemption{{ObjectMeta: metav1.ObjectMeta{Name: "e"}, Spec: v1alpha1.ExemptionSpec{
			Policies: []string{"image-tag"}, Namespaces: []string{"shop"}, Reason: "r", Owner: "o", Expires: expires,
		}}}, "image-tag")
	}, func(t *testing.T, a *runningAuditor) {
		s := a.after(24 * time.Hour)
		a.want(t, "exempted")
		if _, passes := a.Findings("shop"); passes.Exempted != 1 || s.Decisions.Again != 0 {
			t.Errorf("%+v, %+v", passes, s.Decisions)
		}
		s = a.after(72 * time.Hour)
		a.want(t, "expired", "a")
		if s.Decisions.Again != 1 {
			t.Errorf("%+v", s.Decisions)
		}
	})
}

// A LimitRange that changes makes the objects in its namespace be decided again, if a policy reads it.
func TestAFactChanges(t *testing.T) {
	for policy, want := range map[string]int64{"require-resources": 1, "image-tag": 0} {
		audit(t, func(a *runningAuditor) {
			a.api.put(t, "other", "b", "nginx")
			a.configure(t, nil, policy)
		}, func(t *testing.T, a *runningAuditor) {
			a.after(time.Minute)
			a.FactChanged(decision.FactLimitRanges, "shop", false)
			if s := a.after(time.Minute); s.Decisions.Again != want || !s.Since.IsZero() {
				t.Errorf("%s: %+v", policy, s)
			}
		})
	}
}

// Only decisions that depend on an injection read what it reads: nothing is injected into a Pod that exists.
func TestFactsOfInjections(t *testing.T) {
	library, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	snapshot, problems, err := config.Build(t.Context(), library, config.Objects{Guardrails: []v1alpha1.Guardrail{{
		ObjectMeta: metav1.ObjectMeta{Name: "g"},
		Spec:       v1alpha1.GuardrailSpec{Mode: v1alpha1.ModeEnforce, Policies: []v1alpha1.PolicyBinding{{Name: "inject-resources"}, {Name: "require-resources"}}},
	}}})
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	for kind, want := range map[schema.GroupKind]bool{
		corev1.SchemeGroupVersion.WithKind("Pod").GroupKind(): false, {Group: "apps", Kind: "Deployment"}: true,
	} {
		target, _ := TargetOf(snapshot, kind)
		if got := target.Reads(decision.FactResourceQuotas); got != want || !target.Reads(decision.FactLimitRanges) {
			t.Errorf("%s reads quotas: %t", kind, got)
		}
	}
}

// Of many namespaces that are due, each is read on its own, unless they are most of those that have objects.
func TestWhatIsReadAgain(t *testing.T) {
	audit(t, func(a *runningAuditor) {
		for i := range 40 {
			a.api.put(t, fmt.Sprintf("n%02d", i), "x", "nginx")
		}
		a.configure(t, nil, "require-resources")
	}, func(t *testing.T, a *runningAuditor) {
		a.after(time.Minute)
		for n, want := range map[int]int{10: 10, 30: 1} {
			a.api.asked()
			before := a.State().Decisions.Again
			for i := range n {
				a.FactChanged(decision.FactLimitRanges, fmt.Sprintf("n%02d", i), true)
			}
			s := a.after(2 * settleLater)
			if got := s.Decisions.Again - before; got != int64(n) {
				t.Errorf("%d of %d objects were decided again", got, n)
			}
			if got := len(a.api.asked()); got != want {
				t.Errorf("%d lists for %d namespaces, want %d", got, n, want)
			}
		}
	})
}
