package credentials

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// No pattern of an harmless value matches an ordinary one.
func TestOrdinaryValuesAreNotHarmless(t *testing.T) {
	for value, want := range map[string]bool{
		"orders-service": true, "sleep 10": true, "hunter2": true, "a": false, "": false, "--": false, "xxxx": false, "__name__": false, "a/b": false, "your-key": false, "key-goes-here": false,
	} {
		if got := isOrdinary(value); got != want {
			t.Errorf("%q: got %v", value, got)
		}
	}
	parts := []string{"-", "_", "__", " ", "x", "xxx", "a", "7", "your", "replace", "insert", "fill", "me", "with", "goes", "here", "placeholder", "string", "required", "id", "env", "file", "secret", "aqicah", "agb", "-----begin pgp message-----", "-----begin age encrypted file-----",
		"projects", "arn", "enc", strings.Repeat("b", 30), strings.Repeat("3", 40), ".", "/", "$", ":"}
	random := rand.New(rand.NewPCG(7, 8))
	found := 0
	for range 200_000 {
		var text strings.Builder
		for range 1 + random.IntN(5) {
			text.WriteString(parts[random.IntN(len(parts))])
		}
		low := text.String()
		if !isOrdinary(low) {
			continue
		}
		found++
		if harmlessValues.MatchString(low) || ciphertext.MatchString(low) || opening.MatchString(low) {
			t.Fatalf("%q is not ordinary", low)
		}
	}
	if found < 10_000 {
		t.Errorf("%d values were ordinary", found)
	}
}
