package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/report"
)

// next writes the reports of the next namespace.
func (w *reportWriter) next(ctx context.Context) bool {
	namespace, ended := w.queue.Get()
	if ended {
		return false
	}
	defer w.queue.Done(namespace)
	err := w.write(ctx, namespace)
	switch {
	case ctx.Err() != nil:
		return false
	case err == nil:
		w.queue.Forget(namespace)
		w.writable(namespace, nil)
	case meta.IsNoMatchError(err):
		// Once the CRDs are there, everything is compared.
		w.queue.Forget(namespace)
	default:
		w.writes.failed.Add(1)
		w.writable(namespace, err)
		w.log.Error(err, "Cannot write reports, retrying", "namespace", namespace)
		w.queue.AddRateLimited(namespace)
	}
	return true
}

// write makes the reports of a namespace say what was found.
func (w *reportWriter) write(ctx context.Context, namespace string) error {
	found := w.found.Load()
	if found == nil || !w.isReadable() {
		return nil // once it is known which reports are stored, everything is compared
	}
	objects, passes := (*found).Findings(namespace)
	wanted := map[reportKey]bool{}
	for _, r := range report.OpenReports(namespace, w.name, objects, passes) {
		key := reportKey{namespace, r.Name}
		wanted[key] = true
		if err := w.put(ctx, key, &r); err != nil {
			return err
		}
	}
	for _, key := range w.storedIn(namespace) {
		if wanted[key] {
			continue
		}
		if err := w.remove(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

func (w *reportWriter) storedIn(namespace string) (keys []reportKey) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for key := range w.stored {
		if key.namespace == namespace {
			keys = append(keys, key)
		}
	}
	return keys
}

// put writes a report unless it is stored as it is.
func (w *reportWriter) put(ctx context.Context, key reportKey, r *report.OpenReport) error {
	w.mutex.Lock()
	stored, exists := w.stored[key]
	w.mutex.Unlock()
	if exists && stored.digest == r.Digest() {
		return nil
	}
	if err := w.pacer.Wait(ctx); err != nil {
		return err
	}
	object := objectOf(r)
	w.begins(key)
	defer w.ends()
	var err error
	if exists {
		object.SetResourceVersion(stored.version)
		err = w.client.Update(ctx, object)
	} else {
		err = w.client.Create(ctx, object)
	}
	switch {
	case err == nil && exists:
		w.writes.updated.Add(1)
	case err == nil:
		w.writes.created.Add(1)
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return nil
	case exists && apierrors.IsNotFound(err):
		// It was deleted, which the watch has not reported yet.
		w.forget(key)
		return err
	case !exists && apierrors.IsNotFound(err):
		return nil // the namespace is gone
	case apierrors.IsAlreadyExists(err):
		return fmt.Errorf("a report %s of another tool is in the way: delete it, or install this one under another name: %w", key.name, err)
	}
	if err != nil {
		return err
	}
	w.remember(key, storedReport{r.Digest(), object.GetResourceVersion()})
	return nil
}

func (w *reportWriter) remove(ctx context.Context, key reportKey) error {
	if err := w.pacer.Wait(ctx); err != nil {
		return err
	}
	object := objectOf(&report.OpenReport{Namespace: key.namespace, Name: key.name})
	w.mutex.Lock()
	stored, exists := w.stored[key]
	w.mutex.Unlock()
	if !exists {
		return nil
	}
	// Somebody may have put another report in its place.
	same := client.Preconditions{ResourceVersion: &stored.version}
	if err := client.IgnoreNotFound(w.client.Delete(ctx, object, same)); err != nil {
		return err
	}
	w.writes.deleted.Add(1)
	w.forget(key)
	return nil
}

// writtenReport is a report that is being written.
type writtenReport struct {
	key reportKey
	// deleted is the version in which somebody has deleted it meanwhile.
	deleted string
}

func (w *reportWriter) begins(key reportKey) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.writing = &writtenReport{key: key}
}

func (w *reportWriter) ends() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.writing = nil
}

// remember records a report that was written, unless the watch has reported a later version, or that it was deleted
// later, before the write returned.
func (w *reportWriter) remember(key reportKey, stored storedReport) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.writing != nil && w.writing.deleted != "" && !older(w.writing.deleted, stored.version) {
		return
	}
	if before, known := w.stored[key]; known && older(stored.version, before.version) {
		return
	}
	w.stored[key] = stored
}

func (w *reportWriter) forget(key reportKey) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	delete(w.stored, key)
}
