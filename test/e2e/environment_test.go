//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	charttest "taffrail.dev/test/chart"
	"taffrail.dev/test/harness"
)

// environment is the cluster, with its users and the tools of the tests.
type environment struct {
	// dir is a temporary folder.
	dir string
	// root is the folder of Taffrail's module.
	root string
	say  func(format string, args ...any)

	kubectlProgram, helmProgram string

	cluster *kindCluster
	// image is Taffrail's image, as repository:tag.
	image string
	table table

	// admin has all permissions. alice may edit objects in the namespaces of applications.
	admin, alice *user
}

func newEnvironment(ctx context.Context, say func(string, ...any)) (*environment, error) {
	dir, err := os.MkdirTemp("", "taffrail-e2e-")
	if err != nil {
		return nil, err
	}
	e := &environment{dir: dir, say: say}
	if e.root, err = harness.Root(ctx); err != nil {
		return nil, err
	}
	e.cluster, err = newKindCluster(filepath.Join(dir, "admin.kubeconfig"), say)
	return e, err
}

// begin creates the cluster, with every image on its nodes and nothing installed.
func (e *environment) begin(ctx context.Context) error {
	var err error
	if e.kubectlProgram, err = findKubectl(ctx, e.root); err != nil {
		return err
	}
	e.say("helm")
	helm, err := charttest.Build(ctx, e.root, 4)
	if err != nil {
		return err
	}
	e.helmProgram = helm.Path()
	e.say("images")
	if e.image, err = findImage(ctx, e.root); err != nil {
		return err
	}
	if err := e.buildApps(ctx); err != nil {
		return err
	}
	if err := e.cluster.create(ctx, filepath.Join(e.root, "test/e2e/testdata/kind.yaml")); err != nil {
		return err
	}
	e.say("images onto the nodes")
	if err := e.cluster.load(ctx, append(appImages(), e.image)...); err != nil {
		return err
	}
	if e.admin, err = newUser("admin", e.cluster.kubeconfig); err != nil {
		return err
	}
	e.alice, err = e.addUser(ctx, "alice", "shop")
	return err
}

// end deletes what was created, and keeps the logs if a test failed.
func (e *environment) end(code int) (exit int) {
	exit = code
	// It is deferred, so that a panic while explaining does not leave the cluster running.
	defer func() {
		if err := e.cluster.delete(); err != nil {
			fmt.Fprintln(os.Stderr, "error: deleting the cluster:", err)
			exit = max(exit, 1)
		}
		if err := os.RemoveAll(e.dir); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
		}
	}()
	if code != 0 {
		e.explain()
	}
	return exit
}

// explain prints the objects of the cluster, and where its logs are.
func (e *environment) explain() {
	if !e.cluster.made {
		return
	}
	dir, err := artifacts()
	if err == nil {
		err = e.cluster.collectLogs(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error: collecting logs:", err)
	}
	// admin does not exist yet if the cluster was created only in part.
	whoever := &user{name: "admin", kubeconfig: e.cluster.kubeconfig}
	for _, what := range []string{
		"get nodes,pods --all-namespaces --output=wide",
		"get events --namespace=" + systemNamespace + " --sort-by=.lastTimestamp",
		"logs --namespace=" + systemNamespace + " --selector=app.kubernetes.io/name=taffrail --tail=20 --prefix",
	} {
		out, err := e.kubectl(context.Background(), whoever, what)
		if err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
		}
		fmt.Fprintf(os.Stderr, "$ kubectl %s\n%s\n", what, out.text)
	}
	fmt.Fprintln(os.Stderr, "The logs of the nodes and of every container are in", dir)
}

func artifacts() (string, error) {
	if dir := os.Getenv("E2E_ARTIFACTS"); dir != "" {
		return dir, os.MkdirAll(dir, 0o755)
	}
	return os.MkdirTemp("", "taffrail-e2e-logs-")
}

// findKubectl looks in the folder of the other suites and in PATH, and otherwise builds kubectl.
func findKubectl(ctx context.Context, root string) (string, error) {
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" {
		if program, err := exec.LookPath(filepath.Join(dir, "kubectl")); err == nil {
			return program, nil
		}
	}
	if program, err := exec.LookPath("kubectl"); err == nil {
		return program, nil
	}
	dir, err := output(ctx, filepath.Join(root, "test/controlplane/assets.sh"))
	return filepath.Join(dir, "kubectl"), err
}

// errNoImage is returned when the image has not been built.
var errNoImage = errors.New("docker does not have the image: run through make e2e, or set E2E_IMAGE")
