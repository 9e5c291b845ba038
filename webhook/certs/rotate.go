package certs

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// rotate runs one reconciliation: it serves the certificate in the Secret, adds its authorities
// to the caBundles, and renews it when due.
func (r *Rotator) rotate(ctx context.Context) error {
	secret := &corev1.Secret{}
	if err := r.cached.Get(ctx, client.ObjectKey{Namespace: r.options.Namespace, Name: r.options.Secret}, secret); err != nil {
		return fmt.Errorf("reading the Secret of the certificate: %w", err)
	}
	now := time.Now()
	if pair := r.state.servingPair(secret.Data, now); pair != nil {
		r.serve(pair)
	}
	if secret.ResourceVersion == r.overwritten {
		return nil // the cache still returns the version that was overwritten; its update event triggers the next run
	}
	configurations, err := r.configurations(ctx)
	if err != nil {
		return err
	}
	var entries []*admissionregistrationv1.WebhookClientConfig
	before := make([]client.Object, len(configurations))
	for i, c := range configurations {
		before[i], _ = c.DeepCopyObject().(client.Object)
		entries = append(entries, clientConfigs(c, r.options.Namespace, r.options.Service)...)
	}
	change, err := r.state.next(secret.Data, entries, now)
	if err != nil {
		return err
	}
	if change != nil {
		return r.writeSecret(ctx, secret, change)
	}
	for i, c := range configurations {
		if err := r.writeConfiguration(ctx, before[i], c); err != nil {
			return err
		}
	}
	return nil
}

// configurations returns copies of the webhook configurations that exist. It fails until the
// cache has synced: an empty result would mean that no configuration has yet to trust a new
// authority.
func (r *Rotator) configurations(ctx context.Context) ([]client.Object, error) {
	for _, synced := range r.configurationsSynced {
		if !synced() {
			return nil, errNotSynced
		}
	}
	var found []client.Object
	for _, c := range []client.Object{
		&admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.ValidatingWebhookConfiguration{},
	} {
		switch err := r.cached.Get(ctx, client.ObjectKey{Name: r.options.Configuration}, c); {
		case err == nil:
			found = append(found, c)
		case !apierrors.IsNotFound(err):
			return nil, fmt.Errorf("reading a webhook configuration: %w", err)
		}
	}
	return found, nil
}

// writeSecret patches secret, which must be a copy of the cached object.
func (r *Rotator) writeSecret(ctx context.Context, secret *corev1.Secret, c *change) error {
	data, err := c.encode()
	if err != nil {
		return err
	}
	if c.damage != nil {
		r.log.Error(c.damage, "The Secret of the certificate is damaged: replacing its invalid parts", "secret", r.options.Secret)
	}
	before := secret.DeepCopy()
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	maps.Copy(secret.Data, data)
	switch err := r.client.Patch(ctx, secret, locked(before)); {
	case apierrors.IsConflict(err):
		// Another replica wrote first. The watch delivers its version.
		return nil
	case err != nil:
		return fmt.Errorf("writing the Secret of the certificate: %w", err)
	}
	r.overwritten, r.state.wrote = before.ResourceVersion, time.Now()
	r.log.Info("Wrote the certificate", "why", c.why, "expires", c.pair.Leaf.NotAfter, "authorityExpires", c.authorities[0].NotAfter)
	return nil
}

// writeConfiguration patches c if it differs from before.
func (r *Rotator) writeConfiguration(ctx context.Context, before, c client.Object) error {
	if reflect.DeepEqual(before, c) {
		return nil
	}
	switch err := r.client.Patch(ctx, c, locked(before)); {
	case apierrors.IsConflict(err) || apierrors.IsNotFound(err):
		// It was changed or deleted meanwhile. The watch delivers the event.
	case err != nil:
		return fmt.Errorf("writing the caBundle of %T %s: %w", c, c.GetName(), err)
	default:
		r.log.Info("Wrote the caBundle", "configuration", c.GetName(), "kind", fmt.Sprintf("%T", c))
	}
	return nil
}

// locked returns a patch that keeps fields unknown to this version of the types, and that fails
// with a conflict if the object was written since it was read.
func locked(before client.Object) client.Patch {
	return client.StrategicMergeFrom(before, client.MergeFromWithOptimisticLock{})
}
