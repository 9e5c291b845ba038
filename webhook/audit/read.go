package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Each calls each with every object of a selection, as JSON that is valid until each returns, and
// returns the resourceVersion from which a watch misses nothing. An error of each ends the reading and
// is returned. However long each takes, the API server does not notice, except that it takes longer to
// ask for the next page.
func (o *Objects) Each(ctx context.Context, s Selection, each func(object []byte) error) (version string, err error) {
	if o.readsPages(&s) {
		return o.eachInPages(ctx, &s, each)
	}
	select {
	case o.lists <- struct{}{}:
		defer func() { <-o.lists }()
	default: // enough lists are kept already
		return o.eachInPages(ctx, &s, each)
	}
	list, err := o.initialEvents(ctx, &s)
	switch {
	case err == nil:
		return list.version, list.each(each)
	case ctx.Err() != nil || !needsPages(err):
		return "", err
	}
	reason := err
	version, err = o.eachInPages(ctx, &s, each)
	if err == nil && (sendsNone(reason) || errors.Is(reason, errLarge) && s.isWhole()) {
		o.mutex.Lock()
		defer o.mutex.Unlock()
		o.paged[s.Mapping.Resource] = true
	}
	return version, err
}

func (o *Objects) readsPages(s *Selection) bool {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.options.Pages || o.paged[s.Mapping.Resource]
}

var (
	errSilent = errors.New("the API server does not end the initial events of the watch")
	// errLarge is returned for a list that is too large to keep, and errCut if the API server ends a list early.
	errLarge = errors.New("the list is too large to keep")
	errCut   = fmt.Errorf("the API server ended the initial events of the watch: %w", io.ErrUnexpectedEOF)
	// errEnough ends a stream.
	errEnough = errors.New("enough")
)

// needsPages reports whether an error means that pages may be read instead.
func needsPages(err error) bool {
	return sendsNone(err) || errors.Is(err, errLarge) || errors.Is(err, errCut)
}

// sendsNone reports whether an error means that pages have to be read every time: the API server does not know, or has
// switched off, initial events, or the user may only list.
func sendsNone(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) || apierrors.IsMethodNotSupported(err) || errors.Is(err, errSilent)
}

// list has the objects of a watch-list.
type list struct {
	version string
	text    []byte
	// ends has where each object ends in text.
	ends []int
}

func (l *list) add(object []byte) {
	l.text = append(l.text, object...)
	l.ends = append(l.ends, len(l.text))
}

func (l *list) each(each func(object []byte) error) error {
	from := 0
	for _, end := range l.ends {
		if err := each(l.text[from:end]); err != nil {
			return err
		}
		from = end
	}
	return nil
}

// initialEvents reads the initial events of a watch.
func (o *Objects) initialEvents(ctx context.Context, s *Selection) (*list, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(o.options.MaxSilence, func() { cancel(errSilent) })
	defer silence.Stop()
	read, done := &list{}, false
	err := o.stream(ctx, s, map[string]string{"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}, func() {}, func(e Event) error {
		silence.Reset(o.options.MaxSilence)
		if e.Type != Bookmark {
			if len(read.text)+len(e.Object) > o.options.MaxBuffered {
				return errLarge
			}
			read.add(e.Object)
			return nil
		}
		found, err := o.Metadata(e.Object)
		if err == nil && found.InitialEventsEnd {
			read.version, done, err = found.ResourceVersion, true, errEnough
		}
		return err
	})
	switch {
	case done:
		return read, nil
	case errors.Is(context.Cause(ctx), errSilent):
		return nil, fmt.Errorf("watching %s: %w", s, errSilent)
	case err == nil, errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("reading %s: %w", s, errCut)
	}
	return nil, err
}

// eachInPages reads page by page. If the API server has forgotten the state that the first page was
// read from, it continues with a later state: an object may be missing that was created meanwhile,
// which a watch from version reports.
func (o *Objects) eachInPages(ctx context.Context, s *Selection, each func(object []byte) error) (version string, err error) {
	next := ""
	for {
		page, err := o.page(ctx, s, next, each)
		if status := apierrors.APIStatus(nil); next != "" && apierrors.IsResourceExpired(err) && errors.As(err, &status) && status.Status().Continue != "" {
			next = status.Status().Continue
			continue
		}
		if err != nil {
			return "", err
		}
		if version == "" {
			version = page.version
		}
		if next = page.next; next == "" {
			return version, nil
		}
	}
}

// page is what a list says about itself.
type page struct{ version, next string }

func (o *Objects) page(ctx context.Context, s *Selection, next string, each func(object []byte) error) (page, error) {
	size := maxPage
	if s.PageSize > 0 {
		size = s.PageSize
	}
	asked := o.get(s).Param("limit", strconv.Itoa(size))
	if next != "" {
		asked.Param("continue", next)
	}
	body, err := asked.Stream(ctx)
	if err != nil {
		return page{}, fmt.Errorf("listing %s: %w", s, err)
	}
	defer body.Close()
	found, err := readPage(newDecoder(body), each)
	if err != nil {
		return page{}, fmt.Errorf("listing %s: %w", s, err)
	}
	return found, nil
}
