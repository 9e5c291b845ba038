package harness

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// SystemNamespace is the namespace of Taffrail and its Lease.
const SystemNamespace = "taffrail-system"

// The names of the users.
const (
	adminName    = "admin"
	aliceName    = "alice"
	taffrailName = "taffrail"
)

//go:embed manifests/rbac.yaml
var rbac []byte

// Options configures Start.
type Options struct {
	// Progress receives a description of each step. It may be nil.
	Progress func(what string)
}

// Harness is a control plane, and everything that runs against it.
type Harness struct {
	// Root is the folder of Taffrail's module. Binary is the program built from it.
	Root, Binary string
	// Programs is the folder of the control plane's programs and of kubectl.
	Programs string
	// Dir holds everything that this run writes. Stop removes it.
	Dir string
	// Admin has all permissions.
	Admin *User
	// Alice is an ordinary user, who may edit objects in the namespaces that Namespace creates.
	Alice *User
	// Authority signs the certificates of the servers.
	Authority *Authority

	environment *envtest.Environment
	taffrail    *User
	audit       auditLog
	progress    func(string)

	mutex     sync.Mutex
	processes []*process // in the order of their start
}

// Start starts etcd, the API server and the controller manager, and builds Taffrail. If it fails, it stops
// everything.
func Start(ctx context.Context, o Options) (h *Harness, err error) {
	// controller-runtime complains on stderr if no logger is set.
	ctrllog.SetLogger(logr.Discard())
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	h = &Harness{progress: o.Progress}
	if h.Programs, err = assets(); err != nil {
		return nil, err
	}
	if h.Root, err = Root(ctx); err != nil {
		return nil, err
	}
	if h.Authority, err = NewAuthority(); err != nil {
		return nil, err
	}
	if h.Dir, err = os.MkdirTemp("", "taffrail-test-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			// The error contains the logs, so the folder is not needed.
			err = errors.Join(err, h.Stop())
			h = nil
		}
	}()
	for _, dir := range []string{h.logs(), h.path("apiserver"), h.path("etcd"), h.path("bin")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return h, err
		}
	}

	h.progress("building taffrail and starting etcd and kube-apiserver")
	var both errgroup.Group
	both.Go(func() (err error) {
		h.Binary, err = build(ctx, h.Root, h.path("bin"))
		return err
	})
	both.Go(func() error { return h.startAPIServer() })
	if err := both.Wait(); err != nil {
		return h, err
	}
	h.progress("starting kube-controller-manager")
	if err := h.startControllers(ctx); err != nil {
		return h, err
	}
	objects, err := decode(rbac)
	if err != nil {
		return h, err
	}
	return h, h.Apply(ctx, objects...)
}

// Stop ends every process and removes what they wrote.
func (h *Harness) Stop() error {
	h.mutex.Lock()
	processes := h.processes
	h.processes = nil
	h.mutex.Unlock()
	var ending errgroup.Group
	for _, p := range processes {
		ending.Go(p.stop)
	}
	err := ending.Wait()
	if h.environment != nil {
		err = errors.Join(err, h.environment.Stop())
	}
	return errors.Join(err, os.RemoveAll(h.Dir))
}

// PrintLogs prints the end of the log of each process.
func (h *Harness) PrintLogs(w io.Writer, lines int) {
	files, err := filepath.Glob(filepath.Join(h.logs(), "*.log"))
	if err != nil {
		return
	}
	for _, file := range files {
		_, _ = fmt.Fprintf(w, "--- the end of %s\n%s", filepath.Base(file), tail(file, lines))
	}
}

func (h *Harness) path(elements ...string) string {
	return filepath.Join(append([]string{h.Dir}, elements...)...)
}

func (h *Harness) logs() string { return h.path("logs") }

// run starts a process that Stop ends.
func (h *Harness) run(ctx context.Context, name, program string, args ...string) (*process, error) {
	p, err := start(ctx, name, h.logs(), program, args...)
	if err != nil {
		return nil, err
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.processes = append(h.processes, p)
	return p, nil
}

// startTimeout is long enough for a busy machine.
const startTimeout = time.Minute

// Exists reports whether an object exists, as seen by the administrator.
func (h *Harness) Exists(ctx context.Context, object client.Object) (bool, error) {
	err := h.Admin.Client.Get(ctx, client.ObjectKeyFromObject(object), object)
	return err == nil, client.IgnoreNotFound(err)
}
