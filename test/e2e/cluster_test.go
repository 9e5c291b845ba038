//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
)

// ownCluster is the name of the cluster that is created, and deleted in the end.
const ownCluster = "taffrail-e2e"

// kindCluster is a kind cluster, with operations that need access to its nodes.
type kindCluster struct {
	name       string
	kubeconfig string
	// keep leaves the cluster running in the end, because it existed before.
	keep bool
	// made reports whether there is a cluster.
	made bool

	provider *cluster.Provider
	say      func(format string, args ...any)
}

func newKindCluster(kubeconfig string, say func(string, ...any)) (*kindCluster, error) {
	detected, err := cluster.DetectNodeProvider()
	if err != nil {
		return nil, fmt.Errorf("kind needs docker: %w", err)
	}
	c := &kindCluster{name: ownCluster, kubeconfig: kubeconfig, keep: os.Getenv("E2E_KEEP") != "", say: say}
	c.provider = cluster.NewProvider(detected)
	return c, nil
}

// create creates the cluster, or uses the one that E2E_CLUSTER names.
func (c *kindCluster) create(ctx context.Context, config string) error {
	there, err := c.provider.List()
	if err != nil {
		return err
	}
	if theirs := os.Getenv("E2E_CLUSTER"); theirs != "" {
		c.name, c.keep = theirs, true
		if !slices.Contains(there, theirs) {
			return fmt.Errorf("there is no cluster %s, but %s", theirs, strings.Join(there, ", "))
		}
		c.made = true
		return c.provider.ExportKubeConfig(c.name, c.kubeconfig, false)
	}
	if slices.Contains(there, c.name) {
		c.say("deleting the cluster of a run before")
		if err := c.provider.Delete(c.name, c.kubeconfig); err != nil {
			return err
		}
	}
	c.say("creating a cluster")
	c.made = true // a part of it may exist, whatever happens
	options := []cluster.CreateOption{
		cluster.CreateWithConfigFile(config), cluster.CreateWithKubeconfigPath(c.kubeconfig),
		// Retain it after a failure, for its logs.
		cluster.CreateWithRetain(true), cluster.CreateWithWaitForReady(2 * time.Minute),
	}
	if image := os.Getenv("KIND_NODE_IMAGE"); image != "" {
		options = append(options, cluster.CreateWithNodeImage(image))
	}
	return errors.Join(c.provider.Create(c.name, options...), ctx.Err())
}

// delete deletes the cluster if this run created it.
func (c *kindCluster) delete() error {
	switch {
	case !c.made:
		return nil
	case c.keep:
		c.say("the cluster %s is kept; delete it with: kind delete cluster --name %s", c.name, c.name)
		return nil
	}
	c.say("deleting the cluster")
	return c.provider.Delete(c.name, c.kubeconfig)
}

func (c *kindCluster) collectLogs(dir string) error { return c.provider.CollectLogs(c.name, dir) }

// load copies images from docker to every node.
func (c *kindCluster) load(ctx context.Context, images ...string) error {
	list, err := c.provider.ListInternalNodes(c.name)
	if err != nil {
		return err
	}
	archive, err := os.CreateTemp("", "taffrail-e2e-*.tar")
	if err != nil {
		return err
	}
	defer os.Remove(archive.Name()) //nolint:errcheck // it is in a folder for such files
	defer archive.Close()
	if _, err := output(ctx, "docker", append([]string{"save", "-o", archive.Name()}, images...)...); err != nil {
		return err
	}
	group, _ := errgroup.WithContext(ctx)
	for _, node := range list {
		group.Go(func() error {
			file, err := os.Open(archive.Name())
			if err != nil {
				return err
			}
			defer file.Close()
			return nodeutils.LoadImageArchive(node, file)
		})
	}
	return group.Wait()
}

// node returns a node by its name.
func (c *kindCluster) node(name string) (nodes.Node, error) {
	list, err := c.provider.ListInternalNodes(c.name)
	if err != nil {
		return nil, err
	}
	for _, node := range list {
		if node.String() == name {
			return node, nil
		}
	}
	return nil, fmt.Errorf("there is no node %s", name)
}

// on runs a shell script on a node and returns its output.
func (c *kindCluster) on(ctx context.Context, name, script string, args ...string) (string, error) {
	node, err := c.node(name)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	command := node.CommandContext(ctx, "sh", append([]string{"-c", script, "sh"}, args...)...)
	err = command.SetStdout(&out).SetStderr(io.Discard).Run()
	return strings.TrimSpace(out.String()), err
}

// restart restarts the containers of nodes, as if their machines had restarted.
func (c *kindCluster) restart(ctx context.Context, names ...string) error {
	out, err := exec.CommandContext(ctx, "docker", append([]string{"restart"}, names...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("restarting %s: %w\n%s", strings.Join(names, ", "), err, out)
	}
	return nil
}

// controlPlane returns the name of the control plane's node.
func (c *kindCluster) controlPlane() string { return c.name + "-control-plane" }
