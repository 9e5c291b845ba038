package report

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// A finding is the same in two reports if its object, policy, container and key are. Two that are alike are two.
func TestCompare(t *testing.T) {
	pod := schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	finding := func(key string) decision.Finding {
		return decision.Finding{Policy: "a-policy", Mode: decision.ModeWarn, Key: key, Message: "it was wrong"}
	}
	before := []Object{
		liveObject(pod, "shop", "web", finding("a"), finding("b"), finding("b")), liveObject(pod, "shop", "gone", finding("a")), liveObject(pod, "pay", "web", finding("a")),
	}
	earlier, err := ReadEarlier(strings.NewReader(asJSON(t, &Report{Objects: before, Live: true})))
	if err != nil || earlier.Incomplete {
		t.Fatal(err, earlier)
	}
	reworded := finding("b")
	reworded.Message, reworded.Mode = "it is wrong", decision.ModeEnforce
	after := liveObject(pod, "shop", "web", reworded, finding("c"))
	elsewhere := after
	elsewhere.Cluster = "staging"
	for _, object := range []*Object{&after, &elsewhere} {
		earlier.Compare(object)
	}
	if diff := cmp.Diff([]Change{Unchanged, New}, after.Changes); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]Change{New, New}, elsewhere.Changes); diff != "" {
		t.Errorf("in another cluster (-want +got):\n%s", diff)
	}
	gone := earlier.Gone(func(g *GoneFinding) bool {
		_, _, _, namespace, _ := g.Object()
		return namespace == "shop"
	})
	var names []string
	for i := range gone {
		_, _, _, namespace, name := gone[i].Object()
		names = append(names, namespace+"/"+name+" "+gone[i].Policy()+" "+gone[i].finding.Key)
	}
	if diff := cmp.Diff([]string{"shop/web a-policy a", "shop/web a-policy b", "shop/gone a-policy a"}, names); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var totals Totals
	totals.Add(&Report{Objects: []Object{after}, Gone: gone, Compared: true})
	if got := totals.summaryText(); !strings.HasSuffix(got, "; 1 new finding, 3 gone, 1 unchanged") {
		t.Errorf("got %s", got)
	}
}

// What an Exemption exempts does not count. It is new once nothing exempts it any longer, and not gone when something does.
func TestCompareExempted(t *testing.T) {
	pod := schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	finding := func(key string, exemptions ...string) decision.Finding {
		return decision.Finding{Policy: "a-policy", Mode: decision.ModeWarn, Key: key, Exemptions: exemptions}
	}
	before := []Object{liveObject(pod, "shop", "web", finding("expired", "e"), finding("granted"), finding("both", "e"))}
	earlier, err := ReadEarlier(strings.NewReader(asJSON(t, &Report{Objects: before, Live: true})))
	if err != nil {
		t.Fatal(err)
	}
	after := liveObject(pod, "shop", "web", finding("expired"), finding("granted", "e"), finding("both", "e"), finding("exempted from the start", "e"))
	earlier.Compare(&after)
	if diff := cmp.Diff([]Change{New, "", "", ""}, after.Changes); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if gone := earlier.Gone(func(*GoneFinding) bool { return true }); len(gone) > 0 {
		t.Errorf("gone: %+v", gone)
	}
}

// The file to compare with may be anybody's.
func TestGoneIsRedacted(t *testing.T) {
	const password = "Hunter2MARK"
	text := `{"objects": [{"kind": "Pod", "name": "user:` + password + `@host", "findings": [{"policy": "a", "mode": "warn", "message": "DB_PASSWORD=` + password + `",
		"fix": [{"op": "add", "path": "/a", "value": "` + password + `"}]}]}]}`
	earlier, err := ReadEarlier(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r := &Report{Live: true, Compared: true, Gone: earlier.Gone(func(*GoneFinding) bool { return true })}
	var table, sarif strings.Builder
	for _, p := range []Printer{NewTable(&table, TableOptions{}), NewSARIF(&sarif, SARIFOptions{})} {
		if err := whole(p, r); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"json": asJSON(t, r), "html": asHTML(t, r), "table": table.String(), "sarif": sarif.String()} {
		if strings.Contains(text, password) || !strings.Contains(text, "DB_PASSWORD") {
			t.Errorf("%s:\n%s", name, text)
		}
	}
}

func TestReadEarlierErrors(t *testing.T) {
	for text, want := range map[string]string{
		"": "it is not a report in JSON: EOF", "{}": `it has no "objects"`, "apiVersion: v1": "it is not a report in JSON: invalid",
	} {
		if _, err := ReadEarlier(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	earlier, err := ReadEarlier(strings.NewReader(`{"objects": [], "errors": [{"message": "it could not be read"}]}`))
	if err != nil || !earlier.Incomplete {
		t.Errorf("%v, %v", earlier, err)
	}
}
