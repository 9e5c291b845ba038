package resources

import "testing"

// For each bound, a missing value is distinguished from a wrong one, because only a missing value can be
// filled.
func TestWhatIsMissingIsNotWrong(t *testing.T) {
	for _, test := range []struct {
		kind, have      string
		refused, absent bool
	}{
		{boundMin, "", true, true}, {boundMin, "|cpu=2", true, true},
		{boundMin, "cpu=1", true, false}, {boundMin, "cpu=2", false, false}, {boundMin, "cpu=2|cpu=1", true, false}, {boundMin, "cpu=2|cpu=2", false, false},
		{boundMax, "", true, true}, {boundMax, "cpu=2", true, true},
		{boundMax, "|cpu=3", true, false}, {boundMax, "|cpu=2", false, false}, {boundMax, "cpu=3|cpu=2", true, false}, {boundMax, "cpu=2|cpu=2", false, false},
		{boundRatio, "", true, true}, {boundRatio, "|cpu=2", true, true}, {boundRatio, "cpu=0|cpu=2", true, true},
		{boundRatio, "cpu=1", true, true}, {boundRatio, "cpu=1|cpu=0", true, true},
		{boundRatio, "cpu=1|cpu=3", true, false}, {boundRatio, "cpu=1|cpu=2", false, false},
		{"another", "", false, false},
	} {
		b := bound{kind: test.kind, resource: "cpu", value: list("cpu=2")["cpu"]}
		have := needs(test.have)
		if message, absent := b.refuse(&have); (message != "") != test.refused || absent != test.absent {
			t.Errorf("%s of 2, %q: %q, absent: %v", test.kind, test.have, message, absent)
		}
	}
}
