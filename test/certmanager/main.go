// Command certmanager runs cert-manager's own controllers for the end-to-end tests, because its images cannot be
// pulled there. cert-manager's Go module contains its controllers but not its commands, so this command only starts
// the released controllers.
//
//	certmanager controller
//	certmanager cainjector
//
// It has what issuing from a private CA needs. It omits ACME, Vault, Venafi, Ingress, Gateway and
// CertificateSigningRequest, validation beyond that of the CRDs, and leader election.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/cert-manager/cert-manager/pkg/api"
	"github.com/cert-manager/cert-manager/pkg/util"
)

func main() {
	ctrl.SetLogger(klog.Background())
	if err := run(ctrl.SetupSignalHandler(), os.Args[1:]); err != nil {
		klog.ErrorS(err, "certmanager ends")
		klog.FlushAndExit(klog.ExitFlushTimeout, 1)
	}
}

func run(ctx context.Context, args []string) error {
	programs := map[string]func(context.Context, manager.Manager) error{
		"controller": addControllers,
		"cainjector": addInjectors,
	}
	if len(args) != 1 || programs[args[0]] == nil {
		return fmt.Errorf("want controller or cainjector, got %q", args)
	}
	types := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(types), api.AddToScheme(types)); err != nil {
		return fmt.Errorf("types: %w", err)
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("configuration of the cluster: %w", err)
	}
	mgr, err := ctrl.NewManager(util.RestConfigWithUserAgent(config, args[0]), ctrl.Options{
		Scheme:                 types,
		HealthProbeBindAddress: ":9403",
		Metrics:                server.Options{BindAddress: "0"},
		// The cainjector watches only the metadata of Secrets. Reading a whole one through the cache would load
		// them all into memory.
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
	})
	if err != nil {
		return fmt.Errorf("manager: %w", err)
	}
	if err := programs[args[0]](ctx, mgr); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return mgr.Start(ctx)
}
