package decision_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"taffrail.dev/webhook/decision"
)

// A violation is worse than an earlier one if its excess is larger, or if the two cannot be compared. An earlier
// violation without an excess counts as the worst.
func TestWhatIsWorse(t *testing.T) {
	for name, c := range map[string]struct {
		now, earlier json.Number
		want         bool
	}{
		"as far": {"2", "2", false}, "written otherwise": {"2.0", "2", false}, "farther": {"3", "2", true}, "nearer": {"1", "2", false}, "below nothing": {"-1", "-2", true},
		"from no bound": {"7", "", false}, "to none": {"", "7", true}, "of none": {"", "", false}, "no number": {"x", "2", true}, "after no number": {"2", "x", true},
		"many digits": {"9007199254740993", "9007199254740992", true}, "an exponent": {"1e3", "999", true},
	} {
		if got := (&decision.Violation{Excess: c.now}).WorseThan(&decision.Violation{Excess: c.earlier}); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestWhatARequestIsCalled(t *testing.T) {
	for want, r := range map[string]decision.Request{"web": {Name: "web", GenerateName: "x-"}, "web-*": {GenerateName: "web-"}, "": {}, "db": {Name: "db"}} {
		if got := r.DisplayName(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := fmt.Sprint(decision.AllFacts()); got != "[limitRanges resourceQuotas horizontalPodAutoscalers persistentVolumeClaims storageClasses]" {
		t.Errorf("got %s", got)
	}
}
