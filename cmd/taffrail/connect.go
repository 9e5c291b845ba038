package main

import (
	"fmt"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const kubeconfigHelp = "kubeconfig file (default: $KUBECONFIG, ~/.kube/config, or the Pod's service account)"

// restConfig finds the API server as kubectl does, including inside a Pod.
func restConfig(kubeconfig string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	return rest.AddUserAgent(config, "taffrail"), nil
}

// dynamicClient returns a client for kinds that only the API server has to know.
func dynamicClient(kubeconfig string) (dynamic.Interface, error) {
	config, err := restConfig(kubeconfig)
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	return client, nil
}
