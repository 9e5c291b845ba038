package integration

import (
	"context"
	"errors"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"taffrail.dev/test/harness"
)

// The certificate is replaced while the server runs, as certificate managers do.
func TestCertificateIsReplaced(t *testing.T) {
	t.Parallel()
	server := newServer(t, harness.ServerOptions{Name: "certificate"})
	registration := unique("certificate")
	register(t, harness.Registration{Name: registration, Address: server.Address(), FailurePolicy: admissionregistrationv1.Fail})
	namespace := newNamespace(t, registration, enforced, servedBy(registration))
	must(t, cluster.AwaitEnforcement(t.Context(), namespace))
	before, err := server.Serial(t.Context())
	must(t, err)

	writing := writers(t, namespace, 2)
	writing.more(t, 10)
	must(t, server.NewCertificate())
	eventually(t, "new connections to be shown the new certificate", func(ctx context.Context) error {
		now, err := server.Serial(ctx)
		if err == nil && now.Cmp(before) == 0 {
			err = errors.New("it is the old one")
		}
		return err
	})
	writing.more(t, 10)
	writing.end(t)
	must(t, server.Ready(t.Context()))
}
