package certs

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// rewriting is the least between two writes of the Secret by one replica. Only clocks that
// do not agree could ask for more.
const rewriting = 5 * time.Second

var (
	errForeign = errors.New("it has a tls.crt and no ca.key, so somebody else keeps it: serve it from files, or empty it")
	errHasty   = errors.New("it was written a moment ago and does not hold: do the clocks of all nodes agree?")
)

// mind is what one replica makes of what it sees, and all that it remembers.
type mind struct {
	lifetimes Lifetimes
	// name is the DNS name to serve under.
	name  string
	trust trust
	// wrote is when it last wrote the Secret.
	wrote time.Time
}

func (m *mind) renewal(now time.Time) renewal {
	return renewal{lifetimes: m.lifetimes, name: m.name, now: now, trust: m.trust}
}

// serves is the pair in the Secret, nil where nobody would accept it.
func (m *mind) serves(data map[string][]byte, now time.Time) *tls.Certificate {
	// What is damaged is told where it is made anew.
	material, _ := parse(data)
	if m.renewal(now).broken(material) != nil {
		return nil
	}
	return material.pair
}

// change is what the Secret should hold from now on.
type change struct {
	material
	why string
	// damage is what was wrong with the Secret; nil where nothing was.
	damage error
}

// next is how the Secret has to be changed. Where it is nil, the entries have been made to
// trust what the Secret holds.
func (m *mind) next(data map[string][]byte, entries []*admissionregistrationv1.WebhookClientConfig, now time.Time) (*change, error) {
	if foreign(data) {
		return nil, fmt.Errorf("the Secret of the certificate: %w", errForeign)
	}
	material, damage := parse(data)
	if len(material.authorities) > 0 {
		m.trust = m.trust.seen(entries, material.authorities[0], now)
	}
	next, why, err := m.renewal(now).step(material)
	switch {
	case err != nil:
		return nil, err
	case why == "":
		entrust(entries, material, now)
		return nil, nil
	case now.Sub(m.wrote) < rewriting:
		return nil, fmt.Errorf("the Secret of the certificate: %w", errHasty)
	}
	return &change{material: next, why: why, damage: damage}, nil
}
