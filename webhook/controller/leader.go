package controller

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

const (
	// webhookLease is the Lease of the replica that writes the status of the configuration.
	webhookLease  = "taffrail"
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
)

// leaderOptions configures a leader.
type leaderOptions struct {
	config *rest.Config
	// namespace holds the Lease, whose name is lease.
	namespace, lease string
	// work runs only on the leader, until its context ends.
	work func(context.Context)
	log  logr.Logger
}

// leader runs its work while this replica holds the Lease. controller-runtime's leader election exits the
// process when the Lease is lost, but this process also serves admission requests and must survive an outage of
// the API server.
type leader struct {
	election leaderelection.LeaderElectionConfig
}

func newLeader(o leaderOptions) (*leader, error) {
	config := rest.AddUserAgent(rest.CopyConfig(o.config), "leader-election")
	config.Timeout = renewDeadline / 2
	leases, err := coordinationv1.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("leader election: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("leader election: %w", err)
	}
	identity := host + "_" + string(uuid.NewUUID())
	return &leader{leaderelection.LeaderElectionConfig{
		Name: o.lease,
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: o.namespace, Name: o.lease},
			Client:     leases,
			LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
		},
		LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) {
				o.log.Info("Leading", "identity", identity)
				o.work(ctx)
				o.log.Info("No longer the leader", "identity", identity)
			},
			// It is also called on replicas that never led.
			OnStoppedLeading: func() {},
		},
	}}, nil
}

// run competes for the Lease until ctx ends, and again whenever the Lease is lost.
func (l *leader) run(ctx context.Context) error {
	for ctx.Err() == nil {
		elector, err := leaderelection.NewLeaderElector(l.election)
		if err != nil {
			return fmt.Errorf("leader election: %w", err)
		}
		elector.Run(ctx)
		sleep(ctx, retryPeriod)
	}
	return nil
}
