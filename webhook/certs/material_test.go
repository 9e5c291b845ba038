package certs

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"
)

// newMaterial returns material together with the data of its Secret.
func newMaterial(t *testing.T) (material, map[string][]byte) {
	t.Helper()
	step := renewal{lifetimes: Lifetimes{Certificate: time.Hour, Authority: 3 * time.Hour}, name: name, now: time.Now()}
	m, _, err := step.step(material{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	return m, data
}

func TestMaterialComesBackFromTheSecret(t *testing.T) {
	want, data := newMaterial(t)
	got, err := parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.authorities) != 1 || !got.authorities[0].Equal(want.authorities[0]) || !got.pair.Leaf.Equal(want.pair.Leaf) {
		t.Error("the certificates differ")
	}
	if empty, err := parse(nil); err != nil || empty.pair != nil || empty.authorities != nil {
		t.Errorf("an empty Secret: %v, %v", empty, err)
	}
}

func TestDamagedSecretKeepsWhatIsWhole(t *testing.T) {
	_, data := newMaterial(t)
	_, other := newMaterial(t)
	for what, c := range map[string]struct {
		damage            map[string][]byte
		key               string
		authorities, pair bool
	}{
		"garbage for an authority":    {map[string][]byte{"ca.crt": []byte("garbage")}, "ca.crt", false, true},
		"a key of another authority":  {map[string][]byte{"ca.key": other["ca.key"]}, "ca.key", true, true},
		"no key of the authority":     {map[string][]byte{"ca.key": nil}, "ca.key", true, true},
		"a certificate for a key":     {map[string][]byte{"ca.key": data["ca.crt"]}, "ca.key", true, true},
		"garbage for a certificate":   {map[string][]byte{"tls.crt": []byte("garbage")}, "tls.crt", true, false},
		"a key of another one":        {map[string][]byte{"tls.key": other["tls.key"]}, "tls.crt", true, false},
		"no key of the certificate":   {map[string][]byte{"tls.key": nil}, "tls.crt", true, false},
		"half of a PEM certificate":   {map[string][]byte{"tls.crt": data["tls.crt"][:100]}, "tls.crt", true, false},
		"an authority that is no DER": {map[string][]byte{"ca.crt": []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}, "ca.crt", false, true},
	} {
		damaged := maps.Clone(data)
		maps.Copy(damaged, c.damage)
		m, err := parse(damaged)
		damage := new(damagedError)
		if !errors.As(err, &damage) || damage.Key != c.key {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if (m.authorities != nil) != c.authorities || (m.pair != nil) != c.pair {
			t.Errorf("%s: authorities %t, pair %t", what, m.authorities != nil, m.pair != nil)
		}
		for _, secret := range []string{string(data["ca.key"]), string(data["tls.key"])} {
			if body := strings.Split(secret, "\n")[1]; strings.Contains(err.Error(), body) {
				t.Errorf("%s: a key is in the error", what)
			}
		}
	}
}
