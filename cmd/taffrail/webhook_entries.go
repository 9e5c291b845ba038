package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"
)

// addEntries adds the entries that a webhook configuration lacks, each with the caBundle of an
// entry that calls the same Service. A subsequent upgrade finds them there and keeps their
// caBundle. It does nothing if the configuration does not exist or has no caBundle yet, as before
// an installation.
func addEntries(ctx context.Context, cluster *clusterFlags, text string, w io.Writer) error {
	client, err := cluster.dynamicClient()
	if err != nil {
		return err
	}
	return addEntriesTo(ctx, client, text, w)
}

func addEntriesTo(ctx context.Context, client dynamic.Interface, text string, w io.Writer) error {
	coming := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := yaml.UnmarshalStrict([]byte(text), coming); err != nil {
		return &usageError{fmt.Errorf("--webhook-entries: %w", err)}
	}
	configurations := client.Resource(admissionregistrationv1.SchemeGroupVersion.WithResource("validatingwebhookconfigurations"))
	object, err := configurations.Get(ctx, coming.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading ValidatingWebhookConfiguration %s: %w", coming.Name, err)
	}
	stored := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, stored); err != nil {
		return fmt.Errorf("reading ValidatingWebhookConfiguration %s: %w", coming.Name, err)
	}
	var missing []admissionregistrationv1.ValidatingWebhook
	for i := range coming.Webhooks {
		entry := coming.Webhooks[i]
		if slices.ContainsFunc(stored.Webhooks, func(e admissionregistrationv1.ValidatingWebhook) bool { return e.Name == entry.Name }) {
			continue
		}
		if entry.ClientConfig.CABundle == nil {
			entry.ClientConfig.CABundle = caBundleFor(stored, entry.ClientConfig.Service)
		}
		if len(entry.ClientConfig.CABundle) > 0 {
			missing = append(missing, entry)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	// A strategic merge patch merges entries by name. The resourceVersion makes it fail if the
	// configuration was changed meanwhile.
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": stored.ResourceVersion}, "webhooks": missing,
	})
	if err != nil {
		return err
	}
	if _, err := configurations.Patch(ctx, coming.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{FieldManager: crdManager}); err != nil {
		return fmt.Errorf("adding entries to ValidatingWebhookConfiguration %s: %w", coming.Name, err)
	}
	for i := range missing {
		if _, err := fmt.Fprintf(w, "entry %s added to ValidatingWebhookConfiguration %s\n", missing[i].Name, coming.Name); err != nil {
			return err
		}
	}
	return nil
}

// caBundleFor returns the caBundle of an entry that calls the same Service.
func caBundleFor(c *admissionregistrationv1.ValidatingWebhookConfiguration, service *admissionregistrationv1.ServiceReference) []byte {
	for i := range c.Webhooks {
		entry := &c.Webhooks[i].ClientConfig
		if service != nil && entry.Service != nil && entry.Service.Namespace == service.Namespace && entry.Service.Name == service.Name && len(entry.CABundle) > 0 {
			return entry.CABundle
		}
	}
	return nil
}
