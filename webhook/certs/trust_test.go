package certs

import (
	"crypto/x509"
	"slices"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// Replicas that started earlier, or whose Secret was emptied, serve certificates of authorities that are
// already trusted.
func TestWhatIsTrustedStaysTrustedUntilItExpires(t *testing.T) {
	now := time.Now()
	before, _ := newMaterial(t)
	after, _ := newMaterial(t)
	entry := &admissionregistrationv1.WebhookClientConfig{CABundle: before.bundle()}
	entries := []*admissionregistrationv1.WebhookClientConfig{entry}
	has := func(m material) bool { return trusts(entries, m.authorities[0]) }

	if !addCABundle(entries, after, now) || !has(before) || !has(after) {
		t.Errorf("trusts the previous one: %t, the new one: %t", has(before), has(after))
	}
	if addCABundle(entries, after, now) || addCABundle(entries, before, now) {
		t.Error("it is written although nothing is missing")
	}
	if later := now.Add(4 * time.Hour); !addCABundle(entries, material{authorities: after.authorities}, later) || has(before) {
		t.Error("what has expired is still trusted")
	}
	entry.CABundle = []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	if !addCABundle(entries, after, now) || !has(after) {
		t.Error("what cannot be read is not replaced")
	}
}

func TestTrustIsAsOldAsItHasBeenSeen(t *testing.T) {
	now := time.Now()
	m, _ := newMaterial(t)
	other, _ := newMaterial(t)
	with := []*admissionregistrationv1.WebhookClientConfig{{CABundle: m.bundle()}, {CABundle: slices.Concat(other.bundle(), m.bundle())}}
	without := append(slices.Clone(with), &admissionregistrationv1.WebhookClientConfig{CABundle: other.bundle()})

	first := trust{}.observe(with, m.authorities[0], now)
	if !first.in(m.authorities[0]) || first.observe(with, m.authorities[0], now.Add(time.Hour)).since != now {
		t.Error("trust does not begin when it is first seen")
	}
	if lost := first.observe(without, m.authorities[0], now.Add(time.Hour)); lost.in(m.authorities[0]) {
		t.Error("an entry without it goes unnoticed")
	}
	if next := first.observe([]*admissionregistrationv1.WebhookClientConfig{{CABundle: other.bundle()}}, other.authorities[0], now.Add(time.Hour)); !next.in(other.authorities[0]) || next.since != now.Add(time.Hour) {
		t.Error("trust in one authority counts for another")
	}
	if (trust{}).in(&x509.Certificate{}) {
		t.Error("nothing is trust in something")
	}
}
