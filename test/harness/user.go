package harness

import (
	"context"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"

	openreports "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"taffrail.dev/webhook/api/v1alpha1"
)

// User calls the API server as a user.
type User struct {
	Name string
	// Client is for reads, and for writes whose answer does not matter.
	Client client.Client
	Config *rest.Config
	// Kubeconfig has the same credentials, as the content of a file.
	Kubeconfig []byte

	kubeconfigFile string
}

// Answer is the API server's answer to one write.
type Answer struct {
	// Err is nil if the write was admitted.
	Err error
	// Warnings lists the warnings in the answer's headers, in order.
	Warnings []string
	// AuditID identifies the request in the audit log.
	AuditID string

	mutex sync.Mutex
}

// Denied reports whether a webhook denied the write, and returns its message without the prefix that the API
// server adds.
func (a *Answer) Denied() (words string, denied bool) {
	status := apierrors.APIStatus(nil)
	if !errors.As(a.Err, &status) {
		return "", false
	}
	_, words, denied = strings.Cut(status.Status().Message, "denied the request: ")
	return words, denied
}

// Create creates an object.
func (u *User) Create(ctx context.Context, object client.Object, options ...client.CreateOption) *Answer {
	return answer(ctx, func(ctx context.Context) error { return u.Client.Create(ctx, object, options...) })
}

// Apply creates an object, or merges it into the stored one. A merge does not conflict with a concurrent write
// of a controller.
func (u *User) Apply(ctx context.Context, object *unstructured.Unstructured) *Answer {
	there := object.DeepCopy()
	if err := u.Client.Get(ctx, client.ObjectKeyFromObject(object), there); apierrors.IsNotFound(err) {
		return u.Create(ctx, object)
	} else if err != nil {
		return &Answer{Err: err}
	}
	manifest, err := object.MarshalJSON()
	if err != nil {
		return &Answer{Err: err}
	}
	return u.Patch(ctx, object, client.RawPatch(types.MergePatchType, manifest))
}

// UpdateSubresource updates a subresource of an object with the body.
func (u *User) UpdateSubresource(ctx context.Context, name string, object, body client.Object) *Answer {
	return answer(ctx, func(ctx context.Context) error {
		return u.Client.SubResource(name).Update(ctx, object, client.WithSubResourceBody(body))
	})
}

// REST returns a client for requests whose bodies must reach the API server unchanged.
func (u *User) REST(version schema.GroupVersion) (*rest.RESTClient, error) {
	config := rest.CopyConfig(u.Config)
	config.GroupVersion, config.APIPath = &version, "/apis"
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	return rest.RESTClientFor(config)
}

// Update replaces an object.
func (u *User) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) *Answer {
	return answer(ctx, func(ctx context.Context) error { return u.Client.Update(ctx, object, options...) })
}

// ServerSideApply applies a configuration, whose fields the user then owns.
func (u *User) ServerSideApply(ctx context.Context, object runtime.ApplyConfiguration, options ...client.ApplyOption) *Answer {
	return answer(ctx, func(ctx context.Context) error { return u.Client.Apply(ctx, object, options...) })
}

// Patch patches an object.
func (u *User) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) *Answer {
	return answer(ctx, func(ctx context.Context) error { return u.Client.Patch(ctx, object, patch, options...) })
}

// PatchStatus patches the status of an object.
func (u *User) PatchStatus(ctx context.Context, object client.Object, patch client.Patch) *Answer {
	return answer(ctx, func(ctx context.Context) error { return u.Client.Status().Patch(ctx, object, patch) })
}

// Delete deletes an object.
func (u *User) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) *Answer {
	return answer(ctx, func(ctx context.Context) error { return u.Client.Delete(ctx, object, options...) })
}

type answerKey struct{}

func answer(ctx context.Context, write func(context.Context) error) *Answer {
	a := &Answer{AuditID: string(uuid.NewUUID())}
	err := write(context.WithValue(ctx, answerKey{}, a))
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.Err, a.Warnings = err, slices.Clone(a.Warnings)
	return a
}

// warnings passes the warnings of a response to the Answer of its request.
type warnings struct{}

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext.
func (warnings) HandleWarningHeaderWithContext(ctx context.Context, code int, _ string, text string) {
	if a, ok := ctx.Value(answerKey{}).(*Answer); ok && code == 299 {
		a.mutex.Lock()
		defer a.mutex.Unlock()
		a.Warnings = append(a.Warnings, text)
	}
}

// marking gives each request an audit ID.
type marking struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (m marking) RoundTrip(r *http.Request) (*http.Response, error) {
	if a, ok := r.Context().Value(answerKey{}).(*Answer); ok {
		r = r.Clone(r.Context())
		r.Header.Set("Audit-ID", a.AuditID)
	}
	return m.next.RoundTrip(r)
}

// NewUser returns a user of any name, in the given groups. Members of system:masters have all permissions.
func (h *Harness) NewUser(name string, groups ...string) (*User, error) {
	return h.addUser(name, groups...)
}

// addUser returns a user with a client certificate. RBAC decides what the user may do.
func (h *Harness) addUser(name string, groups ...string) (*User, error) {
	// -1 disables the client's own rate limit, which tests do not need.
	added, err := h.environment.AddUser(envtest.User{Name: name, Groups: groups}, &rest.Config{QPS: -1})
	if err != nil {
		return nil, err
	}
	kubeconfig, err := added.KubeConfig()
	if err != nil {
		return nil, err
	}
	config := rest.CopyConfig(added.Config())
	config.WarningHandlerWithContext = warnings{}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return marking{next} })
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	made, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	file := h.path("user-" + name + ".kubeconfig")
	if err := os.WriteFile(file, kubeconfig, 0o600); err != nil {
		return nil, err
	}
	return &User{Name: name, Client: made, Config: config, Kubeconfig: kubeconfig, kubeconfigFile: file}, nil
}

func newScheme() (*runtime.Scheme, error) {
	all := runtime.NewScheme()
	return all, errors.Join(scheme.AddToScheme(all), v1alpha1.AddToScheme(all), openreports.AddToScheme(all))
}
