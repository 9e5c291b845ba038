package server

import (
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	eventsclient "k8s.io/client-go/kubernetes/typed/events/v1"
	"k8s.io/client-go/rest"

	"taffrail.dev/webhook/events"
	"taffrail.dev/webhook/metrics"
)

// newEvents returns a writer of Events for the controller with a name.
func newEvents(config *rest.Config, controller string, registry *prometheus.Registry, log logr.Logger) (*events.Writer, error) {
	client, err := eventsclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	instance, err := os.Hostname() // in a Pod, its name
	if err != nil {
		return nil, fmt.Errorf("naming the writer of Events: %w", err)
	}
	return events.NewWriter(events.Options{
		Client: client, Controller: controller, Instance: instance, Counter: metrics.NewEvents(registry), Now: time.Now, Log: log.WithName("events"),
	}), nil
}
