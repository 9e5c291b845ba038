package audit

import (
	"fmt"
	"hash/maphash"
	"net/http"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	"taffrail.dev/webhook/request"
)

const (
	// maxPage is the number of objects in a page unless a Selection requests fewer.
	maxPage = 250
	// maxSilence is how long a server may send nothing while it sends the initial events of a watch. A
	// server that ignores sendInitialEvents sends no bookmark after them.
	maxSilence = 30 * time.Second
	// maxBuffered limits the bytes of a watch-list that are kept, and maxLists how many are kept at a time.
	maxBuffered = 4 << 20
	maxLists    = 4
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
	// PageSize limits the number of objects in a page, for those who take their time over each. 0 means the default.
	PageSize int
}

func (s *Selection) String() string {
	what := s.Mapping.Resource.GroupResource().String()
	if s.Namespace != "" {
		what += " in namespace " + s.Namespace
	}
	return what
}

// isWhole reports whether the selection is of all objects of a kind.
func (s *Selection) isWhole() bool { return s.Namespace == "" && s.Name == "" && s.Labels == "" }

// ObjectsOptions configures Objects.
type ObjectsOptions struct {
	// Pages makes Objects read pages only, for users who may list objects and not watch them.
	Pages bool
	// MaxSilence and MaxBuffered replace maxSilence and maxBuffered if they are not 0.
	MaxSilence  time.Duration
	MaxBuffered int
}

// Objects reads the objects of a cluster as JSON, one at a time. It is safe for concurrent use.
type Objects struct {
	api     rest.Interface
	options ObjectsOptions
	seed    maphash.Seed
	// lists has an element for each watch-list that is kept.
	lists chan struct{}

	mutex sync.Mutex
	// paged has the resources of which pages are read: the API server sends no initial events, or there are too many.
	paged map[schema.GroupVersionResource]bool
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
	if o.MaxBuffered == 0 {
		o.MaxBuffered = maxBuffered
	}
	return &Objects{
		api: api, options: o, seed: maphash.MakeSeed(), lists: make(chan struct{}, maxLists), paged: map[schema.GroupVersionResource]bool{},
	}, nil
}

// Metadata reads the metadata of an object that Each or Watch has passed on.
func (o *Objects) Metadata(object []byte) (request.Metadata, error) {
	return request.ReadMetadata(object, o.seed)
}

// get returns a request for a selection.
func (o *Objects) get(s *Selection) *rest.Request {
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
