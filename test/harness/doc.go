// Package harness runs the environment of the integration tests and the demo, without fakes in the path of a request:
// etcd, kube-apiserver and kube-controller-manager as processes, and Taffrail's own binary as its own user, called by
// the API server over TLS.
//
//	KUBEBUILDER_ASSETS="$(test/controlplane/assets.sh)" go test ./test/integration/...
//
// Nothing waits for a fixed time: every wait polls a condition, and its error names the condition. Only processes that
// the harness has started are stopped.
package harness
