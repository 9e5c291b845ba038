package decision_test

import (
	"encoding/json"
	"testing"

	"taffrail.dev/webhook/decision"
)

func TestVerdictsAreOrderedLikeModes(t *testing.T) {
	for i, mode := range []decision.Mode{0, decision.ModeAudit, decision.ModeWarn, decision.ModeEnforce} {
		want := []decision.Verdict{decision.VerdictAllow, decision.VerdictAllow, decision.VerdictWarn, decision.VerdictDeny}[i]
		if got := mode.Verdict(); got != want {
			t.Errorf("%v: got %v, want %v", mode, got, want)
		}
	}
	if !(decision.VerdictAllow < decision.VerdictWarn && decision.VerdictWarn < decision.VerdictUnknown && decision.VerdictUnknown < decision.VerdictDeny) {
		t.Error("the verdicts are out of order")
	}
}

func TestVerdictOfAFinding(t *testing.T) {
	excused := []string{"legacy"}
	for name, test := range map[string]struct {
		finding decision.Finding
		want    decision.Verdict
	}{
		"audit":              {decision.Finding{Mode: decision.ModeAudit}, decision.VerdictAllow},
		"warn":               {decision.Finding{Mode: decision.ModeWarn}, decision.VerdictWarn},
		"enforce":            {decision.Finding{Mode: decision.ModeEnforce}, decision.VerdictDeny},
		"enforce, tolerated": {decision.Finding{Mode: decision.ModeEnforce, Tolerated: "it was there before"}, decision.VerdictWarn},
		"audit, tolerated":   {decision.Finding{Mode: decision.ModeAudit, Tolerated: "it was there before"}, decision.VerdictAllow},
		"enforce, exempted":  {decision.Finding{Mode: decision.ModeEnforce, Exemptions: excused}, decision.VerdictAllow},
		"warn, exempted":     {decision.Finding{Mode: decision.ModeWarn, Exemptions: excused}, decision.VerdictAllow},
		"enforce, unknown":   {decision.Finding{Mode: decision.ModeEnforce, Unknown: "no quota"}, decision.VerdictUnknown},
		"warn, unknown":      {decision.Finding{Mode: decision.ModeWarn, Unknown: "no quota"}, decision.VerdictWarn},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.finding.Verdict(); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
			other := decision.Finding{Mode: decision.ModeAudit}
			for _, both := range [][]decision.Finding{{test.finding, other}, {other, test.finding}} {
				if got := decision.Worst(both); got != test.want {
					t.Errorf("got %v for both, want %v", got, test.want)
				}
			}
		})
	}
	if got := decision.Worst(nil); got != decision.VerdictAllow {
		t.Errorf("got %v for nothing", got)
	}
}

func TestVerdictsAreNamesInJSON(t *testing.T) {
	text := `["allow","warn","unknown","deny"]`
	var verdicts []decision.Verdict
	if err := json.Unmarshal([]byte(text), &verdicts); err != nil {
		t.Fatal(err)
	}
	written, err := json.Marshal(verdicts)
	if err != nil || string(written) != text {
		t.Errorf("got %s, %v", written, err)
	}
	if err := json.Unmarshal([]byte(`"Deny"`), new(decision.Verdict)); err == nil {
		t.Error("Deny is taken")
	}
}
