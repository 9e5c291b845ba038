package certs

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"pgregory.net/rapid"

	"taffrail.dev/test/property"
)

const name = "taffrail.taffrail-system.svc"

// world simulates the Secret, a webhook configuration, an API server that reads it with a delay, and replicas
// that read both with a delay.
type world struct {
	lifetimes Lifetimes
	now       time.Time
	secret    stored[map[string][]byte]
	bundle    stored[[]byte]
	replicas  []*replica
}

// stored is an object with its history.
type stored[T any] struct{ versions []version[T] }

type version[T any] struct {
	since time.Time
	value T
}

func (s *stored[T]) write(now time.Time, value T) {
	s.versions = append(s.versions, version[T]{since: now, value: value})
}

// at returns the newest version at a given time, and its number.
func (s *stored[T]) at(when time.Time) (T, int) {
	for i, v := range slices.Backward(s.versions) {
		if !v.since.After(when) {
			return v.value, i
		}
	}
	var none T
	return none, -1
}

type replica struct {
	rotationState
	served *x509.Certificate
}

// act does what Rotator.rotate does, with the state that the replica saw a while ago.
func (w *world) act(t *rapid.T, r *replica, lag time.Duration) {
	data, number := w.secret.at(w.now.Add(-lag))
	bundle, bundleNumber := w.bundle.at(w.now.Add(-lag))
	if pair := r.servingPair(data, w.now); pair != nil {
		r.served = pair.Leaf
	}
	entry := &admissionregistrationv1.WebhookClientConfig{CABundle: slices.Clone(bundle)}
	change, err := r.next(data, []*admissionregistrationv1.WebhookClientConfig{entry}, w.now)
	switch {
	case errors.Is(err, errWrittenTooSoon): // it has not seen its own write yet
	case err != nil:
		t.Fatal(err)
	case change == nil:
		if !bytes.Equal(entry.CABundle, bundle) && bundleNumber == len(w.bundle.versions)-1 { // otherwise the write conflicts
			w.bundle.write(w.now, entry.CABundle)
		}
	default:
		encoded, err := change.encode()
		if err != nil {
			t.Fatal(err)
		}
		if number == len(w.secret.versions)-1 { // otherwise the write conflicts
			w.secret.write(w.now, encoded)
			r.wrote = w.now
		}
	}
}

// verify does what an API server does with the certificate that a replica serves.
func (w *world) verify(r *replica, lag time.Duration) error {
	bundle, _ := w.bundle.at(w.now.Add(-lag))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	_, err := r.served.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: w.now})
	return err
}

// Whatever is renewed, and however large the delays, the API server accepts what every replica serves.
func TestRenewalFailsNoHandshake(t *testing.T) {
	property.Check(t, func(t *rapid.T) {
		certificate := time.Duration(rapid.Int64Range(int64(minCertificateLifetime), int64(100*24*time.Hour)).Draw(t, "certificate"))
		factor := rapid.Int64Range(minAuthorityFactor, 5).Draw(t, "factor")
		w := &world{
			lifetimes: Lifetimes{Certificate: certificate, Authority: time.Duration(factor) * certificate},
			now:       time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC),
		}
		newState := func() rotationState { return rotationState{lifetimes: w.lifetimes, name: name} }
		w.replicas = []*replica{{rotationState: newState()}, {rotationState: newState()}}
		if err := w.lifetimes.Check(); err != nil {
			t.Fatal(err)
		}
		// The largest delay of any reader, and the interval of the replicas.
		late := w.lifetimes.settleTime() / 3
		lag := rapid.Custom(func(t *rapid.T) time.Duration { return time.Duration(rapid.Int64Range(0, int64(late)).Draw(t, "lag")) })
		for range 8 {
			for _, r := range w.replicas {
				w.act(t, r, 0)
			}
		}
		w.now = w.now.Add(late)

		end := w.now.Add(w.lifetimes.Authority + w.lifetimes.Certificate)
		leaves, authorities := map[string]bool{}, map[string]bool{}
		// After a change, time advances slowly, so that many different delays occur.
		written, slowly := 0, 0
		for w.now.Before(end) {
			order := rapid.Permutation(w.replicas).Draw(t, "order")
			for _, r := range order {
				// One replica keeps running for as long as an authority takes to settle.
				if r != w.replicas[0] && rapid.IntRange(0, 3).Draw(t, "restarts") == 0 {
					r.rotationState = newState()
				}
				w.act(t, r, lag.Draw(t, "replica is late"))
				if err := w.verify(r, lag.Draw(t, "API server is late")); err != nil {
					t.Fatalf("%v before the end: %v", end.Sub(w.now), err)
				}
				leaves[r.served.SerialNumber.String()] = true
				authorities[string(r.served.AuthorityKeyId)] = true
			}
			if now := len(w.secret.versions) + len(w.bundle.versions); now != written {
				written, slowly = now, 8
			}
			if slowly--; slowly > 0 {
				w.now = w.now.Add(late / 2)
			} else {
				w.now = w.now.Add(w.lifetimes.Certificate / 12)
			}
		}
		if len(leaves) < 4 || len(authorities) < 2 {
			t.Fatalf("%d certificates of %d authorities: nothing was renewed", len(leaves), len(authorities))
		}
	})
}

func TestWhatIsBrokenIsMadeAnewAtOnce(t *testing.T) {
	now := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	lifetimes := Lifetimes{Certificate: 90 * 24 * time.Hour, Authority: 730 * 24 * time.Hour}
	step := renewal{lifetimes: lifetimes, name: name, now: now}
	first, why, err := step.step(material{})
	if err != nil || why == "" {
		t.Fatalf("%q, %v", why, err)
	}
	if _, why, _ := step.step(first); why != "" {
		t.Errorf("what is new is replaced: %s", why)
	}
	elsewhere := step
	elsewhere.name = "taffrail.other.svc"
	muchLater := step
	muchLater.now = now.Add(lifetimes.Authority + time.Hour)
	for what, c := range map[string]struct {
		step     renewal
		material material
		stays    bool // whether the authority is kept
	}{
		"another name":           {elsewhere, first, true},
		"no certificate":         {step, material{authorities: first.authorities, signer: first.signer}, true},
		"everything has expired": {muchLater, first, false},
		"no authority":           {step, material{pair: first.pair}, false},
	} {
		next, why, err := c.step.step(c.material)
		if err != nil || why == "" {
			t.Errorf("%s: %q, %v", what, why, err)
			continue
		}
		if err := c.step.verify(next); err != nil {
			t.Errorf("%s: still broken: %v", what, err)
		}
		if stays := next.authorities[len(next.authorities)-1].Equal(first.authorities[0]); stays != c.stays {
			t.Errorf("%s: the authority stays: %t", what, stays)
		}
	}
}

func TestLifetimesThatLeaveNoTime(t *testing.T) {
	for _, c := range []struct {
		lifetimes Lifetimes
		good      bool
	}{
		{Lifetimes{Certificate: time.Minute, Authority: 3 * time.Minute}, true},
		{Lifetimes{Certificate: time.Minute - 1, Authority: time.Hour}, false},
		{Lifetimes{Certificate: time.Hour, Authority: 3*time.Hour - 1}, false},
		{Lifetimes{Certificate: 100 * 365 * 24 * time.Hour, Authority: 2 * 365 * 24 * time.Hour}, false},
		{Lifetimes{}, false},
	} {
		if err := c.lifetimes.Check(); (err == nil) != c.good {
			t.Errorf("%v: %v", c.lifetimes, err)
		}
	}
}

// Two clocks that disagree must not keep two replicas writing.
func TestWrongClocksEnd(t *testing.T) {
	lifetimes := Lifetimes{Certificate: 90 * 24 * time.Hour, Authority: 730 * 24 * time.Hour}
	right := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	at := func(now time.Time) renewal { return renewal{lifetimes: lifetimes, name: name, now: now} }
	for _, wrong := range []time.Duration{-23 * time.Hour, -10 * time.Minute, 10 * time.Minute, 23 * time.Hour} {
		m, _, err := at(right.Add(wrong)).step(material{})
		if err != nil {
			t.Fatal(err)
		}
		for _, now := range []time.Time{right, right.Add(wrong)} {
			if at(now).verify(m) != nil {
				t.Errorf("made %v from now, it is not accepted", wrong)
			}
			if _, why, err := at(now).step(m); why != "" || err != nil {
				t.Errorf("made %v from now, it is replaced: %s, %v", wrong, why, err)
			}
		}
	}
	// A clock that was years ahead leaves certificates that are not valid yet.
	future, _, err := at(right.Add(3 * lifetimes.Authority)).step(material{})
	if err != nil {
		t.Fatal(err)
	}
	mended, why, err := at(right).step(future)
	if err != nil || why == "" || at(right).verify(mended) != nil {
		t.Fatalf("%q, %v, %v", why, err, at(right).verify(mended))
	}
	if _, why, err := at(right).step(mended); why != "" || err != nil {
		t.Errorf("it is replaced again: %s, %v", why, err)
	}
}

// A lost key does not change what is served at once.
func TestLostKeyOfAnAuthorityIsSucceeded(t *testing.T) {
	m, _ := newMaterial(t)
	lost := material{authorities: m.authorities, pair: m.pair}
	step := renewal{lifetimes: Lifetimes{Certificate: time.Hour, Authority: 3 * time.Hour}, name: name, now: time.Now()}
	next, why, err := step.step(lost)
	if err != nil || why == "" {
		t.Fatalf("%q, %v", why, err)
	}
	if len(next.authorities) != 2 || !next.pair.Leaf.Equal(m.pair.Leaf) || next.signer == nil {
		t.Errorf("%d authorities, the same certificate: %t", len(next.authorities), next.pair.Leaf.Equal(m.pair.Leaf))
	}
}
