package review_test

import (
	"encoding/json"
	"testing"

	"taffrail.dev/webhook/review"
)

func TestModesAreWrittenAsTheyAreRead(t *testing.T) {
	for mode, name := range map[review.Mode]string{review.ModeAudit: "audit", review.ModeWarn: "warn", review.ModeEnforce: "enforce"} {
		text, err := json.Marshal(map[string]review.Mode{"mode": mode})
		if err != nil || string(text) != `{"mode":"`+name+`"}` || mode.String() != name {
			t.Errorf("%s: got %s, %v", name, text, err)
		}
		var read map[string]review.Mode
		if err := json.Unmarshal(text, &read); err != nil || read["mode"] != mode {
			t.Errorf("%s: got %v, %v", name, read, err)
		}
		if got, err := review.ParseMode(name); err != nil || got != mode {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	mode := review.ModeWarn
	if err := mode.UnmarshalText([]byte("deny")); err == nil || mode != review.ModeWarn {
		t.Errorf("got %v, %v", mode, err)
	}
	if mode, err := review.ParseMode(""); err == nil || mode != 0 {
		t.Errorf("got %v, %v", mode, err)
	}
	if got := review.Mode(7).String(); got != "Mode(7)" {
		t.Errorf("got %s", got)
	}
	if review.ModeAudit >= review.ModeWarn || review.ModeWarn >= review.ModeEnforce || review.ModeAudit <= 0 {
		t.Error("modes are not ordered by how strict they are")
	}
}
