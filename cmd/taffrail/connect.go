package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const kubeconfigHelp = "kubeconfig file (default: $KUBECONFIG, ~/.kube/config, or the Pod's service account)"

// clusterFlags name a cluster, as the flags of kubectl do.
type clusterFlags struct {
	kubeconfig, context string
}

func (f *clusterFlags) add(command *cobra.Command) {
	command.Flags().StringVar(&f.kubeconfig, "kubeconfig", "", kubeconfigHelp)
	command.Flags().StringVar(&f.context, "context", "", "context of the kubeconfig file (default: its current one)")
}

// connection leads to an API server.
type connection struct {
	config *rest.Config
	// cluster is the name of the cluster in the kubeconfig file.
	cluster string
	// namespace is that of the context.
	namespace string
}

// connect finds the API server as kubectl does, including inside a Pod.
func (f *clusterFlags) connect() (*connection, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.kubeconfig
	loaded := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: f.context})
	config, err := loaded.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	namespace, _, err := loaded.Namespace()
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	c := &connection{config: rest.AddUserAgent(config, "taffrail"), cluster: config.Host, namespace: namespace}
	if raw, err := loaded.RawConfig(); err == nil {
		name := f.context
		if name == "" {
			name = raw.CurrentContext
		}
		if context := raw.Contexts[name]; context != nil && context.Cluster != "" {
			c.cluster = context.Cluster
		}
	}
	return c, nil
}

// dynamicClient returns a client for kinds that only the API server has to know.
func (f *clusterFlags) dynamicClient() (dynamic.Interface, error) {
	connection, err := f.connect()
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(connection.config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	return client, nil
}
