package credentials

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// Looking at the end of a name changes nothing of what its pattern matches.
func TestEndingsAreThoseOfTheirPatterns(t *testing.T) {
	all := map[string]*endings{
		"otherNames": otherNames, "camelNames": camelNames, "authNames": authNames, "vendorKeys": vendorKeys, "accountKeys": accountKeys,
		"secretID": secretID, "salts": salts, "plainKeys": plainKeys,
	}
	matched := map[string]int{}
	try := func(name string) {
		low := lower(name)
		for pattern, e := range all {
			for _, text := range []string{name, low} {
				want := e.pattern.MatchString(text)
				if got := e.MatchString(text); got != want {
					t.Fatalf("%s, %q: got %v", pattern, text, got)
				}
				if want {
					matched[pattern]++
				}
			}
		}
		if got, want := certainNames.MatchString(low), certainNames.pattern.MatchString(low); got != want {
			t.Fatalf("certainNames, %q: got %v", low, got)
		}
	}
	parts := strings.Fields(`pass Pass Pwd pw Pw password passwd passphrase passcode secret token tokens key Key keys credential credentials creds cred auth
		bearer psk webhook salt id store trust pull tls public next load set max azure primary secondary stripe partition cookie nonce app role base db redis
		neo4j basic master value b64 prod 1 12 txt .txt s x é`)
	separators := []string{"", "_", "-", ".", ":", "\n", "\xff"}
	random := rand.New(rand.NewPCG(3, 4))
	for range 10_000 {
		var name strings.Builder
		for range 1 + random.IntN(4) {
			name.WriteString(parts[random.IntN(len(parts))])
			name.WriteString(separators[random.IntN(len(separators))*random.IntN(2)])
		}
		try(name.String())
	}
	try("azure_storage_primary_key")
	try("acr_secondary_key_")
	for pattern := range all {
		if matched[pattern] == 0 {
			t.Errorf("nothing matches %s", pattern)
		}
	}
}
