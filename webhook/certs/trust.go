package certs

import (
	"crypto/x509"
	"slices"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// clientConfigs returns the clientConfigs of a webhook configuration that call the Service. An
// entry that was pointed elsewhere has its own caBundle.
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

// trust records since when all entries are known to trust an authority. It contains only what
// this replica observed, so a restarted replica waits the full time again.
type trust struct {
	authority *x509.Certificate
	since     time.Time
}

func (t trust) in(authority *x509.Certificate) bool {
	return t.authority != nil && t.authority.Equal(authority)
}

// observe returns the trust after entries were read at the given time.
func (t trust) observe(entries []*admissionregistrationv1.WebhookClientConfig, authority *x509.Certificate, now time.Time) trust {
	switch {
	case !trusts(entries, authority):
		return trust{}
	case t.in(authority):
		return t
	}
	return trust{authority: authority, since: now}
}

// trusts reports whether all entries trust an authority.
func trusts(entries []*admissionregistrationv1.WebhookClientConfig, authority *x509.Certificate) bool {
	for _, entry := range entries {
		bundle, err := parseBundle(entry.CABundle)
		if err != nil || !slices.ContainsFunc(bundle, authority.Equal) {
			return false
		}
	}
	return true
}

// outdated reports whether the caBundle of an entry has to be written. A surplus authority stays
// until it expires: a replica that has yet to see the newest authority must not remove it.
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

// addCABundle adds the authorities of m to every outdated entry. Authorities that are still valid
// stay in the bundle: other replicas may be serving certificates that they signed. It reports
// whether any entry was outdated.
func addCABundle(entries []*admissionregistrationv1.WebhookClientConfig, m material, now time.Time) bool {
	changed := false
	for _, entry := range entries {
		if !outdated(entry, m.authorities, now) {
			continue
		}
		wanted := slices.Clone(m.authorities)
		before, err := parseBundle(entry.CABundle)
		if err != nil {
			before = nil // no client can trust a bundle that does not parse
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
