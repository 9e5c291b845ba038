//go:build e2e

package e2e

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/test/harness"
)

// A certificate from another source is replaced in its Secret under continuous load, without a failed request.
func TestExistingSecretIsReplaced(t *testing.T) {
	// While the mode changes, there is a moment without a trusted certificate.
	removeEverything(t)
	t.Cleanup(func() { removeEverything(t) })
	authority, err := harness.NewAuthority()
	must(t, err)
	const name = "our-own-tls"
	put := func(t *testing.T) {
		t.Helper()
		certificate, key, err := authority.Issue(release + "." + systemNamespace + ".svc")
		must(t, err)
		secret, err := json.Marshal(&corev1.Secret{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
			ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: name},
			Type:       corev1.SecretTypeTLS,
			Data:       map[string][]byte{"tls.crt": certificate, "tls.key": key, "ca.crt": authority.PEM},
		})
		must(t, err)
		apply(t, world.admin, string(secret), "--server-side")
	}
	kubectl(t, world.admin, "create namespace "+systemNamespace)
	put(t)
	install(t, "eks", "certificates.mode=existing-secret", "certificates.existingSecret.name="+name,
		"certificates.existingSecret.caBundle="+string(authority.PEM))
	namespace(t, shop)
	enforced(t, shop)
	rotated(t, "existing Secret replaced", name, put)
}
