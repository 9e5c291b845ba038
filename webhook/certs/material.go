package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// The keys of the Secret in addition to those of the type kubernetes.io/tls.
const (
	authoritiesKey  = "ca.crt"
	authorityKeyKey = "ca.key"
)

// The types of the PEM blocks.
const (
	certificateBlock = "CERTIFICATE"
	keyBlock         = "PRIVATE KEY"
)

// material is the parsed content of the Secret. It is immutable.
type material struct {
	// authorities are the trusted certificates, the newest first.
	authorities []*x509.Certificate
	// signer is the key of the newest authority, nil if it was lost.
	signer crypto.Signer
	// pair is the serving certificate, nil if there is none.
	pair *tls.Certificate
}

// damagedError is returned for a key of the Secret with invalid content.
type damagedError struct {
	Key string
	Err error
}

func (e *damagedError) Error() string { return e.Key + ": " + e.Err.Error() }

func (e *damagedError) Unwrap() error { return e.Err }

var (
	errNoCertificate = errors.New("it contains no certificate")
	errNoKey         = errors.New("it contains no private key")
	errNotOurs       = errors.New("it is not the key of the newest authority in " + authoritiesKey)
)

// parse parses the data of the Secret. Empty data results in empty material. If some of the data
// is damaged, parse returns the valid parts along with an error: the pair only if certificate and
// key match, the authorities even without their key.
func parse(data map[string][]byte) (material, error) {
	var m material
	var damages []error
	if len(data[authoritiesKey]) > 0 || len(data[authorityKeyKey]) > 0 {
		authorities, signer, err := parseAuthorities(data)
		if err != nil {
			damages = append(damages, err)
		}
		m.authorities, m.signer = authorities, signer
	}
	if len(data[corev1.TLSCertKey]) > 0 || len(data[corev1.TLSPrivateKeyKey]) > 0 {
		// The errors of X509KeyPair contain no part of the certificate or the key.
		pair, err := tls.X509KeyPair(data[corev1.TLSCertKey], data[corev1.TLSPrivateKeyKey])
		if err != nil {
			damages = append(damages, &damagedError{Key: corev1.TLSCertKey, Err: err})
		} else {
			m.pair = &pair
		}
	}
	return m, errors.Join(damages...)
}

func parseAuthorities(data map[string][]byte) ([]*x509.Certificate, crypto.Signer, error) {
	authorities, err := parseBundle(data[authoritiesKey])
	if err != nil {
		return nil, nil, &damagedError{Key: authoritiesKey, Err: err}
	}
	if len(authorities) == 0 {
		return nil, nil, &damagedError{Key: authoritiesKey, Err: errNoCertificate}
	}
	block, _ := pem.Decode(data[authorityKeyKey])
	if block == nil {
		return authorities, nil, &damagedError{Key: authorityKeyKey, Err: errNoKey}
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return authorities, nil, &damagedError{Key: authorityKeyKey, Err: err}
	}
	signer, ok := key.(*ecdsa.PrivateKey)
	if !ok || !signer.PublicKey.Equal(authorities[0].PublicKey) {
		return authorities, nil, &damagedError{Key: authorityKeyKey, Err: errNotOurs}
	}
	return authorities, signer, nil
}

// externallyManaged reports whether something else manages the Secret, for example cert-manager:
// a Rotator never writes a certificate without the key of its authority.
func externallyManaged(data map[string][]byte) bool {
	return len(data[corev1.TLSCertKey]) > 0 && len(data[authorityKeyKey]) == 0
}

// parseBundle parses certificates in PEM, the format of a caBundle.
func parseBundle(text []byte) ([]*x509.Certificate, error) {
	var bundle []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return bundle, nil
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		bundle = append(bundle, certificate)
	}
}

// encode returns the data of the Secret. It is the inverse of parse.
func (m material) encode() (map[string][]byte, error) {
	signer, err := encodeKey(m.signer)
	if err != nil {
		return nil, err
	}
	served, err := encodeKey(m.pair.PrivateKey)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		authoritiesKey:          m.bundle(),
		authorityKeyKey:         signer,
		corev1.TLSCertKey:       encodeCertificates(m.pair.Leaf),
		corev1.TLSPrivateKeyKey: served,
	}, nil
}

// bundle returns the caBundle of a webhook configuration that trusts m.
func (m material) bundle() []byte { return encodeCertificates(m.authorities...) }

func encodeCertificates(certificates ...*x509.Certificate) []byte {
	var text bytes.Buffer
	for _, c := range certificates {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: c.Raw}))
	}
	return text.Bytes()
}

func encodeKey(key crypto.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}), nil
}
