package harness

import (
	"context"
	"crypto/tls"
	_ "embed"
	"fmt"
	"net/http"
	"os"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

//go:embed manifests/audit-policy.yaml
var auditPolicy []byte

// startAPIServer starts etcd and the API server, with an audit log and the CRDs.
func (h *Harness) startAPIServer() error {
	policy := h.path("audit-policy.yaml")
	if err := os.WriteFile(policy, auditPolicy, 0o600); err != nil {
		return err
	}
	h.audit.file = h.path("audit.log")
	admission, err := h.writeAdmissionConfiguration()
	if err != nil {
		return err
	}
	own := false
	h.environment = &envtest.Environment{
		UseExistingCluster:       &own,
		BinaryAssetsDirectory:    h.Programs,
		CRDDirectoryPaths:        []string{h.Root + "/charts/taffrail/crds"},
		ErrorIfCRDPathMissing:    true,
		ControlPlaneStartTimeout: startTimeout,
		ControlPlaneStopTimeout:  startTimeout,
	}
	etcdLog, err := os.Create(h.path("logs", "etcd.log"))
	if err != nil {
		return err
	}
	serverLog, err := os.Create(h.path("logs", "kube-apiserver.log"))
	if err != nil {
		return err
	}
	h.environment.ControlPlane.Etcd = &envtest.Etcd{DataDir: h.path("etcd"), Out: etcdLog, Err: etcdLog}
	server := h.environment.ControlPlane.GetAPIServer()
	server.CertDir, server.Out, server.Err = h.path("apiserver"), serverLog, serverLog
	server.Configure().
		// envtest disables it, because it has no controller that creates ServiceAccounts.
		Disable("disable-admission-plugins").
		Set("admission-control-config-file", admission).
		Set("audit-policy-file", policy).
		Set("audit-log-path", h.audit.file).
		Set("audit-log-mode", "blocking").
		// In megabytes. The log is read as one file, so it must not be rotated.
		Set("audit-log-maxsize", "4096")
	if _, err := h.environment.Start(); err != nil {
		return fmt.Errorf("starting the API server: %w\n%s", err, tail(serverLog.Name(), 30))
	}
	if h.Admin, err = h.addUser(adminName, "system:masters"); err != nil {
		return err
	}
	if h.Alice, err = h.addUser(aliceName); err != nil {
		return err
	}
	h.taffrail, err = h.addUser(taffrailName)
	return err
}

// startControllers starts the controller manager as real clusters do, with each controller under a service
// account of its own. Taffrail trusts these by name.
func (h *Harness) startControllers(ctx context.Context) error {
	user, err := h.addUser("system:kube-controller-manager")
	if err != nil {
		return err
	}
	kubeconfig, authority := h.path("kube-controller-manager.kubeconfig"), h.path("apiserver", "ca.crt")
	if err := os.WriteFile(kubeconfig, user.Kubeconfig, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(authority, h.environment.ControlPlane.APIServer.CA, 0o600); err != nil {
		return err
	}
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	p, err := h.run(ctx, "kube-controller-manager", h.Programs+"/kube-controller-manager",
		"--kubeconfig="+kubeconfig,
		"--use-service-account-credentials",
		"--service-account-private-key-file="+h.path("apiserver", "sa-signer.key"),
		"--root-ca-file="+authority,
		"--leader-elect=false",
		"--bind-address="+localhost, "--secure-port="+strconv.Itoa(port), "--cert-dir="+h.path("apiserver"),
		"--kube-api-qps=500", "--kube-api-burst=1000",
	)
	if err != nil {
		return err
	}
	if err := p.await(ctx, healthy(port)); err != nil {
		return err
	}
	// It is working once it has created what Pods need.
	return Eventually(ctx, "the controllers to make ServiceAccounts", func(ctx context.Context) error {
		return h.Admin.Client.Get(ctx, client.ObjectKey{Namespace: "default", Name: "default"}, &corev1.ServiceAccount{})
	})
}

// healthy checks the controller manager, which has a certificate of its own.
func healthy(port int) func(context.Context) error {
	asking := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // our own process, on this machine
		DisableKeepAlives: true,
	}}
	return func(ctx context.Context) error { return ask(ctx, asking, "https://"+address(port)+"/healthz") }
}
