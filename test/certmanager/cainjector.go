package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/cert-manager/cert-manager/pkg/controller/cainjector"
)

// addInjectors adds the injectors of CAs into webhook configurations. It omits those for APIServices and CRDs,
// which no test needs and which would require permission to write both.
func addInjectors(ctx context.Context, mgr manager.Manager) error {
	err := mgr.AddReadyzCheck("caches", func(request *http.Request) error {
		ctx, cancel := context.WithTimeout(request.Context(), 500*time.Millisecond)
		defer cancel()
		if !mgr.GetCache().WaitForCacheSync(ctx) {
			return errors.New("caches are not filled")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return cainjector.RegisterAllInjectors(ctx, mgr, cainjector.SetupOptions{
		EnableCertificatesDataSource: true,
		EnabledReconcilersFor: map[string]bool{
			cainjector.MutatingWebhookConfigurationName:   true,
			cainjector.ValidatingWebhookConfigurationName: true,
		},
	})
}
