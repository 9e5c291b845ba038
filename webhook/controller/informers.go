package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlcluster "sigs.k8s.io/controller-runtime/pkg/cluster"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/facts"
)

// informerRetry is the delay before another attempt to create an informer. An existing informer retries on its
// own.
const informerRetry = 2 * time.Second

// newCluster returns the client and the cache, which keeps the annotations of namespaces with the given names. It does not call the API server, which may not be running yet.
func newCluster(config *rest.Config, configuration string, mapper meta.RESTMapper, annotations []string, failed toolscache.WatchErrorHandlerWithContext, log logr.Logger) (ctrlcluster.Cluster, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), admissionregistrationv1.AddToScheme(scheme), autoscalingv2.AddToScheme(scheme), storagev1.AddToScheme(scheme),
		authenticationv1.AddToScheme(scheme), authorizationv1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	// The API server limits requests by priority and fairness. A client-side limit would delay admission after
	// a burst of requests about a new namespace.
	config.QPS = -1
	watched := facts.CacheOptions(annotations...)
	maps.Copy(watched, webhookCache(configuration))
	return ctrlcluster.New(config, func(o *ctrlcluster.Options) {
		o.Scheme = scheme
		o.Logger = log
		o.MapperProvider = func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return mapper, nil }
		o.Cache = cache.Options{
			Scheme:           scheme,
			ByObject:         watched,
			DefaultTransform: cache.TransformStripManagedFields(),
			// Get must not start a watch by mistake.
			ReaderFailOnMissingInformer: true,
			DefaultWatchErrorHandler:    failed,
		}
	})
}

// newMapper returns a RESTMapper for the kinds that Taffrail always reads. Discovering all kinds would slow
// down each start, and fail while the API server is unavailable.
func newMapper() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{corev1.SchemeGroupVersion, appsv1.SchemeGroupVersion, batchv1.SchemeGroupVersion})
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Namespace"), meta.RESTScopeRoot)
	for group, kinds := range map[schema.GroupVersion][]string{
		corev1.SchemeGroupVersion: {
			"LimitRange", "ResourceQuota", "PersistentVolumeClaim", "Pod", "ReplicationController", "Service", "ConfigMap", "Secret",
		},
		appsv1.SchemeGroupVersion:  {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ControllerRevision"},
		batchv1.SchemeGroupVersion: {"Job", "CronJob"},
	} {
		for _, kind := range kinds {
			mapper.Add(group.WithKind(kind), meta.RESTScopeNamespace)
		}
	}
	mapper.Add(autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler"), meta.RESTScopeNamespace)
	mapper.Add(storagev1.SchemeGroupVersion.WithKind("StorageClass"), meta.RESTScopeRoot)
	mapper.Add(authorizationv1.SchemeGroupVersion.WithKind("SubjectAccessReview"), meta.RESTScopeRoot)
	for _, kind := range []string{"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"} {
		mapper.Add(admissionregistrationv1.SchemeGroupVersion.WithKind(kind), meta.RESTScopeRoot)
	}
	mapper.Add(authenticationv1.SchemeGroupVersion.WithKind("SelfSubjectReview"), meta.RESTScopeRoot)
	for _, kind := range []string{config.KindGuardrail, config.KindExemption, config.KindPolicy} {
		mapper.Add(v1alpha1.GroupVersion().WithKind(kind), meta.RESTScopeRoot)
	}
	return mapper
}

// informers starts the watches and tracks whether they are synced.
type informers struct {
	log logr.Logger
	// waiting is the kind that is not synced yet.
	waiting atomic.Pointer[string]
	// last is the most recent error of a watch, which may have recovered since.
	last   atomic.Pointer[error]
	synced atomic.Bool
}

// ready is a readiness check. Once synced, informers stay ready: while the API server cannot be reached,
// decisions based on older facts are better than none.
func (i *informers) ready() error {
	if i.synced.Load() {
		return nil
	}
	err := errNotSynced
	if kind := i.waiting.Load(); kind != nil {
		err = fmt.Errorf("%s: %w", *kind, err)
	}
	if last := i.last.Load(); last != nil {
		err = fmt.Errorf("%w: %w", err, *last)
	}
	return err
}

var errNotSynced = errors.New("not synced yet")

// failed records the error of a watch, so that the readiness check can report it: typically a CRD that is not
// installed, or a missing RBAC verb.
func (i *informers) failed(ctx context.Context, r *toolscache.Reflector, err error) {
	i.last.Store(&err)
	toolscache.DefaultWatchErrorHandler(ctx, r, err)
}

// start starts all watches and returns once they are synced, or when ctx ends.
func (i *informers) start(ctx context.Context, watched cache.Cache, handlers ...toolscache.ResourceEventHandler) {
	for ctx.Err() == nil {
		err := i.watch(ctx, watched, handlers)
		if err == nil {
			i.synced.Store(true)
			return
		}
		if ctx.Err() == nil {
			i.last.Store(&err)
			i.log.Error(err, "A watch failed, retrying")
		}
		sleep(ctx, informerRetry)
	}
}

func (i *informers) watch(ctx context.Context, watched cache.Cache, handlers []toolscache.ResourceEventHandler) error {
	// GetInformer does not wait for a sync before the cache has started.
	if !watched.WaitForCacheSync(ctx) {
		return errNotSynced
	}
	get := func(kind string, object client.Object) (cache.Informer, error) {
		i.waiting.Store(&kind)
		informer, err := watched.GetInformer(ctx, object)
		if err != nil {
			return nil, fmt.Errorf("watching %s: %w", kind, err)
		}
		return informer, nil
	}
	// Start them one by one, so that the readiness check can name the kind that is missing.
	for _, object := range facts.Watched() {
		if _, err := get(kindOf(object), object); err != nil {
			return err
		}
	}
	for _, object := range []client.Object{&v1alpha1.Guardrail{}, &v1alpha1.Exemption{}, &v1alpha1.Policy{}} {
		informer, err := get(kindOf(object), object)
		if err != nil {
			return err
		}
		for _, handler := range handlers {
			if _, err := informer.AddEventHandler(handler); err != nil {
				return fmt.Errorf("watching %s: %w", kindOf(object), err)
			}
		}
	}
	return nil
}

// kindOf returns an object's kind, or the name of its Go type if the object does not carry one.
func kindOf(object client.Object) string {
	if kind := object.GetObjectKind().GroupVersionKind().Kind; kind != "" {
		return kind
	}
	name := fmt.Sprintf("%T", object)
	return name[strings.LastIndexByte(name, '.')+1:]
}
