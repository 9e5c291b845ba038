package live

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"taffrail.dev/webhook/config"
)

// UnreadError is returned for a resource that the user is not permitted to read.
type UnreadError struct {
	config.Unread

	// Source is the export that lacks the resource, or empty if the cluster was read directly.
	Source string
}

func (e *UnreadError) Error() string {
	what := e.Resource
	switch {
	case e.Resource == namespaceKind.resource && e.Namespace != "":
		what = "namespace " + e.Namespace
	case e.Namespace != "":
		what += " of namespace " + e.Namespace
	}
	if e.Source != "" {
		return fmt.Sprintf("%s does not contain %s: %s", e.Source, what, e.Reason)
	}
	return fmt.Sprintf("you are not permitted to read %s: %s", what, e.Reason)
}

// unread returns an *UnreadError if the API server refused a read, and err otherwise.
func unread(err error, resource, namespace string) error {
	if !apierrors.IsForbidden(err) {
		return err
	}
	reason := err.Error()
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		reason = status.Status().Message
	}
	return &UnreadError{Unread: config.Unread{Resource: resource, Namespace: namespace, Reason: reason}}
}

// unreadSet collects each *UnreadError once. Its zero value is empty. It is safe for concurrent use.
type unreadSet struct {
	mutex sync.Mutex
	all   map[string]*UnreadError
}

func (s *unreadSet) add(e *UnreadError) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.all == nil {
		s.all = map[string]*UnreadError{}
	}
	s.all[e.Error()] = e
}

// sorted returns the errors by resource and namespace.
func (s *unreadSet) sorted() []*UnreadError {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.SortedFunc(maps.Values(s.all), func(a, b *UnreadError) int {
		return cmp.Or(strings.Compare(a.Resource, b.Resource), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Source, b.Source))
	})
}
