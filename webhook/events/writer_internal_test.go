package events

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	ktesting "k8s.io/client-go/testing"

	"taffrail.dev/webhook/decision"
)

// counts implements Counter.
type counts struct{ written, failed, summarized int }

func (c *counts) Written()    { c.written++ }
func (c *counts) Failed()     { c.failed++ }
func (c *counts) Summarized() { c.summarized++ }

// cluster is where the Events of a test are written, and the time there.
type cluster struct {
	*Writer

	client *fake.Clientset
	counts counts
	now    time.Time
}

func newTestWriter(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{client: fake.NewClientset(), now: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}
	c.Writer = NewWriter(Options{
		Client: c.client.EventsV1(), Controller: "taffrail.dev/admission", Instance: "taffrail-0", Counter: &c.counts,
		Now: func() time.Time { return c.now }, Log: logr.Discard(),
	})
	return c
}

// events writes what is due and returns everything that was written.
func (c *cluster) events(t *testing.T) []eventsv1.Event {
	t.Helper()
	c.writeAll(t.Context())
	list, err := c.client.EventsV1().Events("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func notice(namespace, name string, findings ...decision.Finding) Notice {
	return Notice{Reason: Denied, Object: referenceTo("apps/v1", "Deployment", namespace, name, ""), Findings: findings}
}

func imageTag(container string) decision.Finding {
	return decision.Finding{
		Policy: "image-tag", Container: container, Key: "nginx", Message: `image "nginx" has no tag`, Remediation: "Write a tag.", Mode: decision.ModeEnforce,
	}
}

func TestAnEventSaysWhatIsWrongAndWhatToWrite(t *testing.T) {
	c := newTestWriter(t)
	n := notice("shop", "web", imageTag("app"))
	n.Owner = "payments"
	c.Add(n)
	all := c.events(t)
	if len(all) != 1 {
		t.Fatalf("got %d Events", len(all))
	}
	e := all[0]
	const want = `Denied: image-tag, container "app": image "nginx" has no tag. Fix: Write a tag. Owner: payments.`
	if e.Note != want || e.Namespace != "shop" || e.Regarding.Name != "web" || e.Reason != "PolicyDenied" || e.Type != "Warning" || e.Action != "Admission" {
		t.Errorf("got %+v", e)
	}
	if reasons := validation.NameIsDNSSubdomain(e.Name, false); len(reasons) > 0 {
		t.Errorf("%s: %v", e.Name, reasons)
	}
}

func TestAnEventIsNotRepeatedWithinAnHour(t *testing.T) {
	c := newTestWriter(t)
	for range 100 {
		c.Add(notice("shop", "web", imageTag("app")))
		c.events(t)
	}
	if c.counts.written != 1 || c.counts.summarized != 0 {
		t.Errorf("got %+v", c.counts)
	}
	c.Add(notice("shop", "web", imageTag("sidecar")))
	if c.events(t); c.counts.written != 2 {
		t.Errorf("another finding: got %+v", c.counts)
	}
	c.now = c.now.Add(remembered)
	c.client = fake.NewClientset() // they have expired in the cluster too
	c.options.Client = c.client.EventsV1()
	c.Add(notice("shop", "web", imageTag("app")))
	if c.events(t); c.counts.written != 3 {
		t.Errorf("after an hour: got %+v", c.counts)
	}
}

// What another replica has written is neither repeated nor an error.
func TestReplicasWriteAnEventOnce(t *testing.T) {
	c := newTestWriter(t)
	for range 2 {
		replica := NewWriter(c.options)
		replica.Add(notice("shop", "web", imageTag("app")))
		replica.writeAll(t.Context())
	}
	if len(c.events(t)) != 1 || c.counts != (counts{written: 1}) {
		t.Errorf("got %+v", c.counts)
	}
}

// The audit meets every object that admission has warned of a moment later.
func TestTheAuditDoesNotRepeatWhatAdmissionWarnedOf(t *testing.T) {
	c := newTestWriter(t)
	warned, tolerated := imageTag("app"), imageTag("app")
	warned.Mode, tolerated.Tolerated = decision.ModeWarn, "the stored object already has it"
	for _, admitted := range []decision.Finding{warned, tolerated} {
		object := referenceTo("apps/v1", "Deployment", "shop", "web", admitted.Tolerated)
		admission, audit := Notice{Reason: Warned, Object: object, Findings: []decision.Finding{admitted}}, Notice{Reason: Violated, Object: object, Findings: []decision.Finding{imageTag("app")}}
		before := c.counts.written
		for _, n := range []Notice{admission, audit} {
			replica := NewWriter(c.options)
			replica.Add(n)
			replica.writeAll(t.Context())
		}
		if c.counts.written != before+1 || c.counts.failed > 0 {
			t.Errorf("%s: got %+v", admitted.Outcome(), c.counts)
		}
		if denied := (&Notice{Reason: Denied, Object: object, Findings: admission.Findings}); denied.name() == audit.name() {
			t.Error("a denial counts as known because of what is in the cluster")
		}
	}
}

func TestTenThousandWarningsMakeFewEvents(t *testing.T) {
	c := newTestWriter(t)
	for i := range 10_000 {
		findings := []decision.Finding{imageTag("app")}
		if i%2 == 0 {
			findings = append(findings, decision.Finding{Policy: "require-probes", Key: "liveness"})
		}
		c.Add(notice("shop", fmt.Sprintf("web-%d", i), findings...))
		if i%1000 == 999 {
			c.events(t)
			c.now = c.now.Add(settle)
		}
	}
	c.now = c.now.Add(window)
	all := c.events(t)
	if len(all) != maxAlone+2 {
		t.Errorf("got %d Events", len(all))
	}
	var objects, images int
	for i := range all {
		var one, image, probes int
		if n, err := fmt.Sscanf(all[i].Note, "%d more objects violate policies: image-tag %d, require-probes %d. To list them: taffrail audit -n shop", &one, &image, &probes); err != nil {
			if all[i].Reason != "PolicyDenied" {
				t.Errorf("got %q, of which %d could be read", all[i].Note, n)
			}
			continue
		}
		objects, images = objects+one, images+image
		if all[i].Reason != "PolicyViolations" || all[i].Regarding.Kind != "Namespace" || all[i].Regarding.Name != "shop" || all[i].Namespace != "shop" {
			t.Errorf("got %+v", all[i])
		}
	}
	if objects != 10_000-maxAlone || images != objects || c.counts.summarized != objects {
		t.Errorf("summaries count %d objects and %d images, the counter %d", objects, images, c.counts.summarized)
	}
}

// Neither the namespaces with something to write nor what was written may grow without a limit.
func TestWritersHaveLimits(t *testing.T) {
	c := newTestWriter(t)
	for i := range maxNamespaces + 10 {
		c.Add(notice(fmt.Sprintf("team-%d", i), "web", imageTag("app")))
	}
	if c.counts.failed != 10 || len(c.namespaces) != maxNamespaces {
		t.Errorf("got %d namespaces, %+v", len(c.namespaces), c.counts)
	}
	for i := range 2 * maxRemembered {
		c.Add(notice("team-0", fmt.Sprintf("web-%d", i), imageTag("app")))
	}
	if len(c.written) > maxRemembered {
		t.Errorf("%d Events are remembered", len(c.written))
	}
	c.now = c.now.Add(window)
	for c.next() != nil {
	}
	if len(c.namespaces) > 0 {
		t.Errorf("%d namespaces are left", len(c.namespaces))
	}
}

// Summaries of busy namespaces do not delay an Event about a single object.
func TestSingleObjectsComeBeforeSummaries(t *testing.T) {
	c := newTestWriter(t)
	for i := range 5 {
		c.Summarize(notice(fmt.Sprintf("team-%d", i), "web", imageTag("app")))
	}
	c.Add(notice("team-9", "web", imageTag("app")))
	if first := c.next(); first == nil || first.Namespace != "team-9" {
		t.Errorf("got %+v", first)
	}
	for i := range 5 {
		if next := c.next(); next == nil || next.Reason != "PolicyViolations" || next.Namespace != fmt.Sprintf("team-%d", i) {
			t.Errorf("got %+v", next)
		}
	}
	if next := c.next(); next != nil {
		t.Errorf("got %+v", next)
	}
}

func TestEventsAboutClusterScopedObjectsAreInDefault(t *testing.T) {
	c := newTestWriter(t)
	for i := range maxAlone + 1 {
		c.Add(Notice{Reason: Violated, Object: referenceTo("v1", "Namespace", "", fmt.Sprintf("team-%d", i), "1"), Findings: []decision.Finding{imageTag("")}})
	}
	all := c.events(t)
	if len(all) != maxAlone+1 {
		t.Fatalf("got %d Events", len(all))
	}
	for i := range all {
		if all[i].Namespace != "default" || strings.HasSuffix(all[i].Note, "-n ") {
			t.Errorf("got %+v", all[i])
		}
	}
}

func TestAnEventThatCannotBeWrittenIsCounted(t *testing.T) {
	c := newTestWriter(t)
	c.client.PrependReactor("create", "events", func(ktesting.Action) (bool, runtime.Object, error) { return true, nil, errors.New("forbidden") })
	c.Add(notice("shop", "web", imageTag("app")))
	c.writeAll(t.Context())
	if c.counts != (counts{failed: 1}) {
		t.Errorf("got %+v", c.counts)
	}
}

func TestANoteFitsIntoAnEvent(t *testing.T) {
	for _, letter := range []string{"a", "é", "ก", "😀"} {
		n := notice("shop", "web", decision.Finding{Policy: "p", Message: strings.Repeat(letter, 300)}, decision.Finding{Policy: "q", Message: strings.Repeat(letter, 2000)})
		n.Findings = append(n.Findings, n.Findings...)
		if note := n.note(); len(note) > maxNote || len(note) < maxNote-8 || !strings.HasSuffix(note, "…") || strings.ContainsRune(note, '�') {
			t.Errorf("%s: %d bytes, ending in %q", letter, len(note), note[len(note)-8:])
		}
	}
}
