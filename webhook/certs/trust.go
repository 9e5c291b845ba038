package certs

import (
	"crypto/x509"
	"slices"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// clientConfigs are those of a webhook configuration that lead to a Service: an entry
// that somebody pointed elsewhere has a caBundle of its own.
func clientConfigs(configuration client.Object, namespace, service string) []*admissionregistrationv1.WebhookClientConfig {
	var found []*admissionregistrationv1.WebhookClientConfig
	add := func(c *admissionregistrationv1.WebhookClientConfig) {
		if c.Service != nil && c.Service.Namespace == namespace && c.Service.Name == service {
			found = append(found, c)
		}
	}
	switch configuration := configuration.(type) {
	case *admissionregistrationv1.MutatingWebhookConfiguration:
		for i := range configuration.Webhooks {
			add(&configuration.Webhooks[i].ClientConfig)
		}
	case *admissionregistrationv1.ValidatingWebhookConfiguration:
		for i := range configuration.Webhooks {
			add(&configuration.Webhooks[i].ClientConfig)
		}
	}
	return found
}

// trust is since when every entry is known to trust an authority. It is no more than a
// replica has seen by itself, so that one that starts anew waits anew.
type trust struct {
	authority *x509.Certificate
	since     time.Time
}

func (t trust) in(authority *x509.Certificate) bool {
	return t.authority != nil && t.authority.Equal(authority)
}

// seen is what to remember after a look at the entries.
func (t trust) seen(entries []*admissionregistrationv1.WebhookClientConfig, authority *x509.Certificate, now time.Time) trust {
	switch {
	case !trusts(entries, authority):
		return trust{}
	case t.in(authority):
		return t
	}
	return trust{authority: authority, since: now}
}

// trusts tells whether every entry trusts an authority.
func trusts(entries []*admissionregistrationv1.WebhookClientConfig, authority *x509.Certificate) bool {
	for _, entry := range entries {
		bundle, err := parseBundle(entry.CABundle)
		if err != nil || !slices.ContainsFunc(bundle, authority.Equal) {
			return false
		}
	}
	return true
}

// outdated tells whether an entry has to be written. A replica that has yet to see the
// newest authority must not take it away again, so one more than is wanted is left alone
// until it expires.
func outdated(entry *admissionregistrationv1.WebhookClientConfig, wanted []*x509.Certificate, now time.Time) bool {
	bundle, err := parseBundle(entry.CABundle)
	if err != nil {
		return true
	}
	for _, authority := range wanted {
		if !slices.ContainsFunc(bundle, authority.Equal) {
			return true
		}
	}
	return slices.ContainsFunc(bundle, func(c *x509.Certificate) bool { return !c.NotAfter.After(now) })
}

// entrust makes every outdated entry trust what m does, beside what it trusts already and
// is still valid: other replicas may be serving by that. It tells whether any was outdated.
func entrust(entries []*admissionregistrationv1.WebhookClientConfig, m material, now time.Time) bool {
	changed := false
	for _, entry := range entries {
		if !outdated(entry, m.authorities, now) {
			continue
		}
		wanted := slices.Clone(m.authorities)
		before, err := parseBundle(entry.CABundle)
		if err != nil {
			before = nil // nobody can trust what cannot be read
		}
		for _, authority := range before {
			if authority.NotAfter.After(now) && !slices.ContainsFunc(wanted, authority.Equal) {
				wanted = append(wanted, authority)
			}
		}
		entry.CABundle = encodeCertificates(wanted...)
		changed = true
	}
	return changed
}
