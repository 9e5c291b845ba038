package report

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

func TestTable(t *testing.T) {
	pod := schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	finding := func(policy string, mode decision.Mode, exemptions ...string) decision.Finding {
		return decision.Finding{Policy: policy, Mode: mode, Message: "it is\nwrong", Container: "a\x1b[2J", Exemptions: exemptions}
	}
	objects := []Object{
		liveObject(pod, "shop", "web", finding("b-policy", decision.ModeAudit), finding("a-policy", decision.ModeEnforce), finding("c-policy", decision.ModeWarn, "legacy")),
		liveObject(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, "", "shop", finding("a-policy", decision.ModeWarn)),
		liveObject(pod, "pay", "clean"),
	}
	for want, o := range map[string]TableOptions{
		`NAMESPACE  OBJECT          OUTCOME   POLICY    PROBLEM
-          Namespace shop  warned    a-policy  container "a�[2J": it is wrong
shop       Pod web         denied    a-policy  container "a�[2J": it is wrong
shop       Pod web         recorded  b-policy  container "a�[2J": it is wrong

3 objects: 1 denied, 1 with warnings, 1 clean
`: {},
		`CLUSTER  NAMESPACE  OBJECT          OUTCOME   POLICY    PROBLEM
prod     -          Namespace shop  warned    a-policy  container "a�[2J": it is wrong
prod     shop       Pod web         denied    a-policy  container "a�[2J": it is wrong
prod     shop       Pod web         recorded  b-policy  container "a�[2J": it is wrong
prod     shop       Pod web         exempted  c-policy  container "a�[2J": it is wrong (exempted by Exemption legacy)

3 objects: 1 denied, 1 with warnings, 1 clean
`: {Verbose: true, Clusters: true},
	} {
		var b strings.Builder
		if err := whole(NewTable(&b, o), &Report{Objects: objects, Live: true}); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("%+v:\n%s", o, b.String())
		}
	}
	var b strings.Builder
	if err := whole(NewTable(&b, TableOptions{}), &Report{Live: true}); err != nil || b.String() != "0 objects\n" {
		t.Errorf("nothing: %q, %v", b.String(), err)
	}
}

// Nothing is filled into an object that exists.
func TestFillsOfLiveObjects(t *testing.T) {
	for origin, want := range map[decision.Origin]bool{decision.OriginManifest: true, decision.OriginLive: false} {
		object := liveObject(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, "shop", "web")
		object.Request.Origin, object.Request.Workload = origin, &decision.Workload{}
		object.Decision.Fills = []decision.Fill{{Policy: "p", Mode: decision.ModeWarn, Field: "resources.requests.cpu", Value: "1"}}
		if got := len(object.annotations()) > 0; got != want {
			t.Errorf("%s: %t", origin, got)
		}
	}
}
