package controller

import (
	"context"
	"strconv"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/audit"
)

// follow keeps what is known about the stored reports up to date, and makes those be written again that somebody else
// has changed or deleted. It returns when they have to be read again.
func (w *reportWriter) follow(ctx context.Context, versions map[schema.GroupVersionKind]string) {
	group, ctx := errgroup.WithContext(ctx)
	for kind, version := range versions {
		group.Go(func() error {
			selection, err := w.selection(kind)
			for err == nil {
				err = w.objects.Watch(ctx, selection, version, reportWatch, func(e audit.Event) error {
					found, err := decodeReport(e.Object)
					if err != nil {
						return err
					}
					version = found.version
					w.stirred(e.Type, found)
					return ctx.Err()
				})
			}
			return err
		})
	}
	if err := group.Wait(); err != nil && ctx.Err() == nil {
		w.log.V(1).Info("The watch of reports ended", "error", err.Error())
	}
}

// stirred records an event about a report.
func (w *reportWriter) stirred(event string, found *storedOpenReport) {
	if event == audit.Bookmark {
		return
	}
	key := keyOf(found)
	w.mutex.Lock()
	before, known := w.stored[key]
	switch {
	case known && older(found.version, before.version), known && event != audit.Deleted && found.version == before.version:
		w.mutex.Unlock()
		return // it is about an earlier version than the one that was written
	case event == audit.Deleted:
		delete(w.stored, key)
	default:
		w.stored[key] = storedReport{found.Digest(), found.version}
	}
	w.mutex.Unlock()
	w.changed(key.namespace)
}

func older(a, b string) bool {
	x, err := strconv.ParseUint(a, 10, 64)
	y, err2 := strconv.ParseUint(b, 10, 64)
	return err == nil && err2 == nil && x < y
}
