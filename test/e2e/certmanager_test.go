//go:build e2e

package e2e

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	certmanagermetav1 "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// cert-manager renews the authority and the certificate under continuous load, without a failed request.
func TestCertManagerRotatesTheCertificate(t *testing.T) {
	// While the mode changes, there is a moment without a trusted certificate.
	removeEverything(t)
	const secret = release + "-cert-manager-tls"
	installCertManager(t)
	install(t, "eks", "certificates.mode=cert-manager")
	t.Cleanup(func() { removeEverything(t) })
	namespace(t, shop)
	enforced(t, shop)
	rotated(t, "cert-manager rotation", secret, func(t *testing.T) {
		for _, certificate := range []string{release + "-ca", release} {
			renew(t, certificate)
		}
	})
	// Later certificates are signed by the new authority, and are trusted too.
	rotated(t, "cert-manager rotation again", secret, func(t *testing.T) { renew(t, release) })
}

// installCertManager installs cert-manager's released controllers.
func installCertManager(t *testing.T) {
	t.Helper()
	folder := filepath.Join(world.root, "test/certmanager")
	image, err := output(t.Context(), filepath.Join(folder, "image.sh"))
	must(t, err)
	must(t, world.cluster.load(t.Context(), image))
	module, err := output(t.Context(), "go", "-C", folder, "list", "-m", "-f", "{{.Dir}}", "github.com/cert-manager/cert-manager")
	must(t, err)
	crds, manifest := filepath.Join(module, "deploy/crds"), filepath.Join(folder, "manifest.yaml")
	kubectl(t, world.admin, "apply --server-side -f "+crds)
	t.Cleanup(func() { forget(t, "--filename="+crds) })
	kubectl(t, world.admin, "wait --for=condition=Established --timeout=1m -f "+crds)
	kubectl(t, world.admin, "apply -f "+manifest)
	t.Cleanup(func() { forget(t, "--filename="+manifest) })
	kubectl(t, world.admin, "wait --for=condition=Available --timeout=3m deployment --all --namespace=cert-manager")
}

// renew does what `cmctl renew` does, and waits for the new certificate.
func renew(t *testing.T, name string) {
	t.Helper()
	scheme := runtime.NewScheme()
	must(t, certmanagerv1.AddToScheme(scheme))
	cluster, err := client.New(world.admin.config, client.Options{Scheme: scheme})
	must(t, err)
	certificate := &certmanagerv1.Certificate{}
	key := client.ObjectKey{Namespace: systemNamespace, Name: name}
	must(t, cluster.Get(t.Context(), key, certificate))
	revision := revisionOf(certificate)
	certificate.Status.Conditions = append(certificate.Status.Conditions, certmanagerv1.CertificateCondition{
		Type: certmanagerv1.CertificateConditionIssuing, Status: certmanagermetav1.ConditionTrue,
		Reason: "ManuallyTriggered", Message: "a test wants another one",
	})
	must(t, cluster.Status().Update(t.Context(), certificate))
	eventually(t, "another certificate "+name, func(ctx context.Context) error {
		if err := cluster.Get(ctx, key, certificate); err != nil {
			return err
		}
		if revisionOf(certificate) <= revision {
			return errors.New("not yet")
		}
		return nil
	})
}

func revisionOf(certificate *certmanagerv1.Certificate) int {
	if certificate.Status.Revision == nil {
		return 0
	}
	return *certificate.Status.Revision
}
