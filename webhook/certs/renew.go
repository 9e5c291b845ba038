package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

const (
	// skew is the largest difference between the clocks of two nodes that is tolerated.
	skew = 24 * time.Hour
	// maxSettleTime limits the time between trusting an authority and signing with it. API servers
	// learn of a new caBundle through a watch, within seconds.
	maxSettleTime = time.Hour
)

// Lifetimes configures how long certificates are valid. Each is renewed when a third of its
// lifetime is left.
type Lifetimes struct {
	Certificate, Authority time.Duration
}

// The minimum of Lifetimes. Shorter ones leave no time between trusting a new authority, signing
// with it, and the expiry of what the previous one signed.
const (
	minCertificateLifetime = time.Minute
	minAuthorityFactor     = 3
)

var errLifetimes = fmt.Errorf("a certificate must be valid for at least %v, and its authority for %d times as long",
	minCertificateLifetime, minAuthorityFactor)

// Check returns an error if the lifetimes are too short to renew in time.
func (l Lifetimes) Check() error {
	if l.Certificate < minCertificateLifetime || l.Authority/minAuthorityFactor < l.Certificate {
		return errLifetimes
	}
	return nil
}

// settleTime returns how long a new authority is trusted before it signs.
func (l Lifetimes) settleTime() time.Duration { return min(maxSettleTime, l.Certificate/10) }

// renewal computes one step of the rotation at a fixed point in time.
type renewal struct {
	lifetimes Lifetimes
	// name is the DNS name that the certificate is valid for.
	name string
	now  time.Time
	// trust refers to the newest authority.
	trust trust
}

// step returns the successor of m and the reason for it. An empty reason means that m stays as it
// is.
func (r renewal) step(m material) (next material, why string, err error) {
	next = m
	if len(m.authorities) == 0 || m.signer == nil || r.due(m.authorities[0]) {
		why = "a new authority"
		if next, err = r.newAuthority(m); err != nil {
			return m, "", err
		}
	} else if next.authorities = r.valid(m.authorities); len(next.authorities) < len(m.authorities) {
		why = "an expired authority was removed"
	}
	broken := r.verify(next)
	if broken == nil && !r.due(next.pair.Leaf) && signedBy(next.pair.Leaf, next.authorities[0]) {
		return next, why, nil
	}
	// While the current certificate is valid, its successor must be accepted at once.
	if broken == nil && !r.settled(next.authorities[0]) {
		return next, why, nil
	}
	if next.pair, err = r.issue(next.authorities[0], next.signer); err != nil {
		return m, "", err
	}
	if r.verify(next) != nil {
		// If it were written, this replica or the next would replace it immediately.
		return m, "", errClocks
	}
	if why == "" {
		why = "a new certificate"
	}
	return next, why, nil
}

var errClocks = errors.New("a certificate issued now would not be valid: are the clocks of all nodes in sync?")

// due reports whether a third or less of the lifetime of c is left. A certificate that is not
// valid yet was issued with a wrong clock, and is due as well.
func (r renewal) due(c *x509.Certificate) bool {
	return c.NotBefore.After(r.now) || c.NotAfter.Sub(r.now) <= c.NotAfter.Sub(issuedAt(c))/3
}

// issuedAt returns the time at which c was issued.
func issuedAt(c *x509.Certificate) time.Time { return c.NotBefore.Add(skew) }

func (r renewal) valid(authorities []*x509.Certificate) []*x509.Certificate {
	return slices.DeleteFunc(slices.Clone(authorities), func(c *x509.Certificate) bool { return c.NotAfter.Before(r.now) })
}

// settled reports whether authority may sign a certificate that API servers verify at once.
func (r renewal) settled(authority *x509.Certificate) bool {
	return r.trust.in(authority) && r.now.Sub(r.trust.since) >= r.lifetimes.settleTime()
}

var errNoPair = errors.New("no certificate yet")

// verify returns an error if clients that trust the authorities of m would reject its serving
// certificate.
func (r renewal) verify(m material) error {
	if m.pair == nil {
		return errNoPair
	}
	roots := x509.NewCertPool()
	for _, authority := range m.authorities {
		roots.AddCert(authority)
	}
	_, err := m.pair.Leaf.Verify(x509.VerifyOptions{
		Roots: roots, DNSName: r.name, CurrentTime: r.now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err
}

// signedBy compares keys: all authorities have the same subject.
func signedBy(leaf, authority *x509.Certificate) bool {
	return leaf.CheckSignatureFrom(authority) == nil
}

// newAuthority adds an authority in front of the valid ones. The previous authority signs one
// last certificate, which serves until the new authority is trusted everywhere; its key is then
// discarded.
func (r renewal) newAuthority(m material) (next material, err error) {
	next.authorities, next.pair = r.valid(m.authorities), m.pair
	if m.signer != nil && len(next.authorities) > 0 && next.authorities[0].Equal(m.authorities[0]) {
		if next.pair, err = r.issue(next.authorities[0], m.signer); err != nil {
			return m, err
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return m, err
	}
	template, err := r.template("taffrail-ca", r.lifetimes.Authority)
	if err != nil {
		return m, err
	}
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign
	authority, err := sign(template, template, key.Public(), key)
	if err != nil {
		return m, err
	}
	next.authorities, next.signer = append([]*x509.Certificate{authority}, next.authorities...), key
	return next, nil
}

// issue returns a new serving certificate.
func (r renewal) issue(authority *x509.Certificate, signer crypto.Signer) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template, err := r.template("taffrail", r.lifetimes.Certificate)
	if err != nil {
		return nil, err
	}
	template.DNSNames = []string{r.name}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if template.NotAfter.After(authority.NotAfter) {
		template.NotAfter = authority.NotAfter
	}
	leaf, err := sign(template, authority, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

func (r renewal) template(commonName string, lifetime time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: commonName},
		NotBefore: r.now.Add(-skew), NotAfter: r.now.Add(lifetime),
	}, nil
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("signing %s: %w", template.Subject.CommonName, err)
	}
	return x509.ParseCertificate(der)
}
