package certs

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// minWriteInterval is the shortest time between two writes of the Secret by one replica. Only
// nodes whose clocks disagree require a faster one.
const minWriteInterval = 5 * time.Second

var (
	errForeign        = errors.New("it has a tls.crt but no ca.key, so something else manages it: serve it from files, or empty it")
	errWrittenTooSoon = errors.New("it was just written but is not valid: are the clocks of all nodes in sync?")
)

// rotationState is what one replica remembers between reconciliations.
type rotationState struct {
	lifetimes Lifetimes
	// name is the DNS name that the certificate is valid for.
	name  string
	trust trust
	// wrote is the time of this replica's last write of the Secret.
	wrote time.Time
}

func (m *rotationState) renewal(now time.Time) renewal {
	return renewal{lifetimes: m.lifetimes, name: m.name, now: now, trust: m.trust}
}

// servingPair returns the pair in the Secret, or nil if clients would reject it.
func (m *rotationState) servingPair(data map[string][]byte, now time.Time) *tls.Certificate {
	// next reports the damage when it repairs it.
	material, _ := parse(data)
	if m.renewal(now).verify(material) != nil {
		return nil
	}
	return material.pair
}

// change is the new content of the Secret.
type change struct {
	material
	why string
	// damage describes the invalid content that is being replaced, nil if there was none.
	damage error
}

// next returns the pending change of the Secret. If there is none it returns nil, and adds the
// authorities in the Secret to the caBundles of entries.
func (m *rotationState) next(data map[string][]byte, entries []*admissionregistrationv1.WebhookClientConfig, now time.Time) (*change, error) {
	if externallyManaged(data) {
		return nil, fmt.Errorf("the Secret of the certificate: %w", errForeign)
	}
	material, damage := parse(data)
	if len(material.authorities) > 0 {
		m.trust = m.trust.observe(entries, material.authorities[0], now)
	}
	next, why, err := m.renewal(now).step(material)
	switch {
	case err != nil:
		return nil, err
	case why == "":
		addCABundle(entries, material, now)
		return nil, nil
	case now.Sub(m.wrote) < minWriteInterval:
		return nil, fmt.Errorf("the Secret of the certificate: %w", errWrittenTooSoon)
	}
	return &change{material: next, why: why, damage: damage}, nil
}
