package live

import (
	"errors"
	"fmt"

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
