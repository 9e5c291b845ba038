package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Watch calls each with every event of a selection after a resourceVersion, among them bookmarks, and
// returns when the API server ends the watch, which it does after timeout at the latest. An error of
// each ends the watch and is returned. If the API server has forgotten the resourceVersion, the error
// is one of apierrors.IsResourceExpired or IsGone.
func (o *Objects) Watch(ctx context.Context, s Selection, version string, timeout time.Duration, each func(Event) error) error {
	return o.stream(ctx, s, map[string]string{"resourceVersion": version, "timeoutSeconds": strconv.Itoa(int(timeout.Seconds()))}, each)
}

// stream reads the events of a watch until it ends. errEnough of each ends it without an error.
func (o *Objects) stream(ctx context.Context, s Selection, params map[string]string, each func(Event) error) error {
	asked := o.get(s).Param("watch", "true").Param("allowWatchBookmarks", "true")
	for _, name := range slices.Sorted(maps.Keys(params)) {
		asked.Param(name, params[name])
	}
	body, err := asked.Stream(ctx)
	if err != nil {
		return fmt.Errorf("watching %s: %w", s, err)
	}
	defer body.Close() //nolint:errcheck // nothing was written
	for decoder := newDecoder(body); ; {
		err := readEvent(decoder, func(e Event) error {
			if e.Type == failed {
				return statusError(e.Object)
			}
			return each(e)
		})
		switch {
		case errors.Is(err, errEnough), errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("watching %s: %w", s, err)
		}
	}
}

// statusError returns the error in an event of the type ERROR.
func statusError(object []byte) error {
	var status metav1.Status
	if err := json.Unmarshal(object, &status); err != nil {
		return fmt.Errorf("reading the error of a watch: %w", err)
	}
	return apierrors.FromObject(&status)
}
