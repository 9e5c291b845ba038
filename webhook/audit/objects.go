package audit

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	"taffrail.dev/webhook/request"
)

const (
	// pageSize is the number of objects in a page. A page is read while its objects are decided, which
	// must not take longer than the API server's timeout of a minute.
	pageSize = 250
	// maxSilence is how long a server may send nothing while it sends the initial events of a watch. A
	// server that ignores sendInitialEvents sends no bookmark after them.
	maxSilence = 30 * time.Second
)

// Selection selects objects to read.
type Selection struct {
	Mapping *meta.RESTMapping
	// Namespace is empty for all namespaces, and for cluster-scoped objects.
	Namespace string
	// Name is empty for objects of any name.
	Name string
	// Labels is a label selector; empty selects everything.
	Labels string
}

func (s Selection) String() string {
	what := s.Mapping.Resource.GroupResource().String()
	if s.Namespace != "" {
		what += " in namespace " + s.Namespace
	}
	return what
}

// ObjectsOptions configures Objects.
type ObjectsOptions struct {
	// Pages makes Objects read pages only, for users who may list objects and not watch them.
	Pages bool
	// MaxSilence replaces maxSilence if it is not 0.
	MaxSilence time.Duration
}

// Objects reads the objects of a cluster as JSON, one at a time, and keeps none. It is safe for
// concurrent use.
type Objects struct {
	api     rest.Interface
	options ObjectsOptions
	seed    maphash.Seed

	mutex sync.Mutex
	// paged has the selections for which the API server does not send initial events.
	paged map[pagedKey]bool
}

type pagedKey struct {
	resource  schema.GroupVersionResource
	namespace string
}

// NewObjects returns Objects. It does not call the API server.
func NewObjects(config *rest.Config, o ObjectsOptions) (*Objects, error) {
	// The client decodes nothing but the Status of an error.
	known := runtime.NewScheme()
	metav1.AddToGroupVersion(known, schema.GroupVersion{Version: "v1"})
	config = rest.CopyConfig(config)
	config.ContentConfig = rest.ContentConfig{
		AcceptContentTypes: runtime.ContentTypeJSON, ContentType: runtime.ContentTypeJSON,
		NegotiatedSerializer: serializer.NewCodecFactory(known).WithoutConversion(),
	}
	// A scan sends one request at a time, and the API server limits requests by priority and fairness.
	config.QPS = -1
	api, err := rest.UnversionedRESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	if o.MaxSilence == 0 {
		o.MaxSilence = maxSilence
	}
	return &Objects{api: api, options: o, seed: maphash.MakeSeed(), paged: map[pagedKey]bool{}}, nil
}

// Metadata reads the metadata of an object that Each or Watch has passed on.
func (o *Objects) Metadata(object []byte) (request.Metadata, error) {
	return request.ReadMetadata(object, o.seed)
}

// Each calls each with every object of a selection, as JSON that is valid until each returns, and
// returns the resourceVersion from which a watch misses nothing. It reads the initial events of a
// watch where the API server sends them, and pages elsewhere: neither makes the API server, or this
// process, hold all objects at once. An error of each ends the reading and is returned.
func (o *Objects) Each(ctx context.Context, s Selection, each func(object []byte) error) (version string, err error) {
	key := pagedKey{s.Mapping.Resource, s.Namespace}
	if o.readsPages(key) {
		return o.eachInPages(ctx, s, each)
	}
	version, read, err := o.eachInitial(ctx, s, each)
	if err == nil || ctx.Err() != nil || !sendsNoInitialEvents(err) {
		return version, err
	}
	if !read {
		version, err = o.eachInPages(ctx, s, each)
	}
	if err == nil || errors.Is(err, errSilent) {
		o.mutex.Lock()
		defer o.mutex.Unlock()
		o.paged[key] = true
	}
	return version, err
}

func (o *Objects) readsPages(key pagedKey) bool {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.options.Pages || o.paged[key]
}

var errSilent = errors.New("the API server does not end the initial events of the watch")

// sendsNoInitialEvents reports whether an error means that pages should be read instead: the API
// server does not know, or has switched off, initial events, or the user may only list.
func sendsNoInitialEvents(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) || apierrors.IsMethodNotSupported(err) || errors.Is(err, errSilent)
}

// eachInitial reads the initial events of a watch. read reports whether it has called each.
func (o *Objects) eachInitial(ctx context.Context, s Selection, each func(object []byte) error) (version string, read bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(o.options.MaxSilence, func() { cancel(errSilent) })
	defer silence.Stop()
	done := false
	err = o.stream(ctx, s, map[string]string{"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}, func(e Event) error {
		silence.Stop()
		defer silence.Reset(o.options.MaxSilence)
		if e.Type == Bookmark {
			found, err := o.Metadata(e.Object)
			if err == nil && found.InitialEventsEnd {
				version, done, err = found.ResourceVersion, true, errEnough
			}
			return err
		}
		read = true
		return each(e.Object)
	})
	switch {
	case done:
		return version, read, nil
	case errors.Is(context.Cause(ctx), errSilent):
		return "", read, fmt.Errorf("watching %s: %w", s, errSilent)
	case err == nil:
		err = fmt.Errorf("reading %s: %w", s, io.ErrUnexpectedEOF)
	}
	return "", read, err
}

// errEnough ends a stream.
var errEnough = errors.New("enough")

// eachInPages reads page by page. If the API server has forgotten the state that the first page was
// read from, it continues with a later state: an object may be missing that was created meanwhile,
// which a watch from version reports.
func (o *Objects) eachInPages(ctx context.Context, s Selection, each func(object []byte) error) (version string, err error) {
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

func (o *Objects) page(ctx context.Context, s Selection, next string, each func(object []byte) error) (page, error) {
	asked := o.get(s).Param("limit", strconv.Itoa(pageSize))
	if next != "" {
		asked.Param("continue", next)
	}
	body, err := asked.Stream(ctx)
	if err != nil {
		return page{}, fmt.Errorf("listing %s: %w", s, err)
	}
	defer body.Close() //nolint:errcheck // nothing was written
	found, err := readPage(newDecoder(body), each)
	if err != nil {
		return page{}, fmt.Errorf("listing %s: %w", s, err)
	}
	return found, nil
}

// get returns a request for a selection.
func (o *Objects) get(s Selection) *rest.Request {
	resource := s.Mapping.Resource
	path := []string{"apis", resource.Group, resource.Version}
	if resource.Group == "" {
		path = []string{"api", resource.Version}
	}
	if s.Namespace != "" {
		path = append(path, "namespaces", s.Namespace)
	}
	asked := o.api.Verb(http.MethodGet).AbsPath(append(path, resource.Resource)...)
	if s.Name != "" {
		asked.Param("fieldSelector", "metadata.name="+s.Name)
	}
	if s.Labels != "" {
		asked.Param("labelSelector", s.Labels)
	}
	return asked
}

// newDecoder returns a decoder that leaves names that occur twice, and invalid UTF-8, to whoever
// reads the objects.
func newDecoder(body io.Reader) *jsontext.Decoder {
	return jsontext.NewDecoder(body, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}
