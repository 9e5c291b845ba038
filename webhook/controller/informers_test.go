package controller

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
)

// Readiness names a CRD that is not installed.
func TestReadinessNamesWhatCannotBeWatched(t *testing.T) {
	api := httptest.NewServer(http.NotFoundHandler())
	defer api.Close()
	i := &informers{log: logr.Discard()}
	c, err := newCluster(&rest.Config{Host: api.URL}, "taffrail", newMapper(), nil, i.failed, logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	ctx := logr.NewContext(t.Context(), logr.Discard())
	go c.Start(ctx) //nolint:errcheck // ends with the test
	go i.start(ctx, c.GetCache())
	eventually(t, "the error", func() bool {
		err := i.ready()
		return errors.Is(err, errNotSynced) && strings.Contains(err.Error(), "Namespace: ") && strings.Contains(err.Error(), "could not find the requested resource")
	})
}
