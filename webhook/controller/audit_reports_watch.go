package controller

import (
	"context"
	"strconv"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/request"
)

// follow keeps what is known about the stored reports up to date, and makes those be written again that somebody else
// has changed or deleted. It returns when they have to be read again.
func (w *reportWriter) follow(ctx context.Context, versions map[schema.GroupVersionKind]string) {
	group, ctx := errgroup.WithContext(ctx)
	for kind, version := range versions {
		group.Go(func() error {
			selection, err := w.selection(kind)
			if err != nil {
				return err
			}
			return w.objects.Follow(ctx, audit.Followed{
				Selection: selection, Version: version,
				Each: func(_ *request.Metadata, e audit.Event) {
					found, err := decodeReport(e.Object)
					if err != nil {
						w.log.Error(err, "A report cannot be decoded")
						return
					}
					w.onReportEvent(e.Type, found)
				},
				Observe: func(err error) {
					if err != nil {
						w.log.Info("Reports cannot be watched, trying again", "error", err.Error())
					}
				},
			})
		})
	}
	if err := group.Wait(); err != nil && ctx.Err() == nil {
		w.log.V(1).Info("The watch of reports ended", "error", err.Error())
	}
}

// onReportEvent records an event about a report.
func (w *reportWriter) onReportEvent(event string, found *storedOpenReport) {
	key := keyOf(found)
	w.mutex.Lock()
	before, known := w.stored[key]
	switch {
	case known && older(found.version, before.version), known && event != audit.Deleted && found.version == before.version:
		w.mutex.Unlock()
		return // it is about an earlier version than the one that was written
	case event == audit.Deleted:
		delete(w.stored, key)
		if w.writing != nil && w.writing.key == key {
			w.writing.deleted = found.version
		}
	default:
		w.stored[key] = storedReport{found.Digest(), found.version}
	}
	w.mutex.Unlock()
	w.changed(key.namespace)
}

// older reports whether one resourceVersion is before another. Those that are no numbers are not.
func older(a, b string) bool {
	x, err := strconv.ParseUint(a, 10, 64)
	y, err2 := strconv.ParseUint(b, 10, 64)
	return err == nil && err2 == nil && x < y
}
