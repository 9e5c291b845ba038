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

// keep does what there is to do: it serves what the Secret holds, lets it be trusted, and
// renews it.
func (k *Keeper) keep(ctx context.Context) error {
	secret := &corev1.Secret{}
	if err := k.cached.Get(ctx, client.ObjectKey{Namespace: k.options.Namespace, Name: k.options.Secret}, secret); err != nil {
		return fmt.Errorf("reading the Secret of the certificate: %w", err)
	}
	now := time.Now()
	if pair := k.mind.serves(secret.Data, now); pair != nil {
		k.serve(pair)
	}
	if secret.ResourceVersion == k.replaced {
		return nil // what was written has yet to come back, and will kick
	}
	configurations, err := k.configurations(ctx)
	if err != nil {
		return err
	}
	var entries []*admissionregistrationv1.WebhookClientConfig
	before := make([]client.Object, len(configurations))
	for i, c := range configurations {
		before[i], _ = c.DeepCopyObject().(client.Object)
		entries = append(entries, clientConfigs(c, k.options.Namespace, k.options.Service)...)
	}
	change, err := k.mind.next(secret.Data, entries, now)
	if err != nil {
		return err
	}
	if change != nil {
		return k.writeSecret(ctx, secret, change)
	}
	for i, c := range configurations {
		if err := k.writeConfiguration(ctx, before[i], c); err != nil {
			return err
		}
	}
	return nil
}

// configurations are copies of those that there are. As long as that is not known they must
// not be taken for none, which would be none that has yet to trust anything.
func (k *Keeper) configurations(ctx context.Context) ([]client.Object, error) {
	for _, synced := range k.configured {
		if !synced() {
			return nil, errUnknown
		}
	}
	var found []client.Object
	for _, c := range []client.Object{
		&admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.ValidatingWebhookConfiguration{},
	} {
		switch err := k.cached.Get(ctx, client.ObjectKey{Name: k.options.Configuration}, c); {
		case err == nil:
			found = append(found, c)
		case !apierrors.IsNotFound(err):
			return nil, fmt.Errorf("reading a webhook configuration: %w", err)
		}
	}
	return found, nil
}

// writeSecret takes a copy of the cache's.
func (k *Keeper) writeSecret(ctx context.Context, secret *corev1.Secret, c *change) error {
	data, err := c.encode()
	if err != nil {
		return err
	}
	if c.damage != nil {
		k.log.Error(c.damage, "The Secret of the certificate is damaged, what is wrong is made anew", "secret", k.options.Secret)
	}
	before := secret.DeepCopy()
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	maps.Copy(secret.Data, data)
	switch err := k.client.Patch(ctx, secret, locked(before)); {
	case apierrors.IsConflict(err):
		// Another replica came first, and the watch will tell what it wrote.
		return nil
	case err != nil:
		return fmt.Errorf("writing the Secret of the certificate: %w", err)
	}
	k.replaced, k.mind.wrote = before.ResourceVersion, time.Now()
	k.log.Info("Wrote the certificate", "why", c.why, "expires", c.pair.Leaf.NotAfter, "authorityExpires", c.authorities[0].NotAfter)
	return nil
}

// writeConfiguration writes the caBundles that have changed, if any has.
func (k *Keeper) writeConfiguration(ctx context.Context, before, c client.Object) error {
	if reflect.DeepEqual(before, c) {
		return nil
	}
	switch err := k.client.Patch(ctx, c, locked(before)); {
	case apierrors.IsConflict(err) || apierrors.IsNotFound(err):
		// It has changed since, or is gone; the watch will tell.
	case err != nil:
		return fmt.Errorf("writing the caBundle of %T %s: %w", c, c.GetName(), err)
	default:
		k.log.Info("Wrote the caBundle", "configuration", c.GetName(), "kind", fmt.Sprintf("%T", c))
	}
	return nil
}

// locked is a patch that leaves alone what this version of the types does not know, and
// fails where somebody else has written since.
func locked(before client.Object) client.Patch {
	return client.StrategicMergeFrom(before, client.MergeFromWithOptimisticLock{})
}
