package decision_test

import (
	"encoding/json"
	"testing"

	"taffrail.dev/webhook/decision"
)

func TestModesAreWrittenAsTheyAreRead(t *testing.T) {
	for mode, name := range map[decision.Mode]string{decision.ModeAudit: "audit", decision.ModeWarn: "warn", decision.ModeEnforce: "enforce"} {
		text, err := json.Marshal(map[string]decision.Mode{"mode": mode})
		if err != nil || string(text) != `{"mode":"`+name+`"}` || mode.String() != name {
			t.Errorf("%s: got %s, %v", name, text, err)
		}
		var read map[string]decision.Mode
		if err := json.Unmarshal(text, &read); err != nil || read["mode"] != mode {
			t.Errorf("%s: got %v, %v", name, read, err)
		}
		if got, err := decision.ParseMode(name); err != nil || got != mode {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	mode := decision.ModeWarn
	if err := mode.UnmarshalText([]byte("deny")); err == nil || mode != decision.ModeWarn {
		t.Errorf("got %v, %v", mode, err)
	}
	if mode, err := decision.ParseMode(""); err == nil || mode != 0 {
		t.Errorf("got %v, %v", mode, err)
	}
	if got := decision.Mode(7).String(); got != "Mode(7)" {
		t.Errorf("got %s", got)
	}
	if decision.ModeAudit >= decision.ModeWarn || decision.ModeWarn >= decision.ModeEnforce || decision.ModeAudit <= 0 {
		t.Error("modes are not ordered by how strict they are")
	}
}
