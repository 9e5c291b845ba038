// Package harness brings up what the integration tests and the demo run against, with
// nothing faked on the way of a request: etcd, kube-apiserver and
// kube-controller-manager as processes, and Taffrail's own binary as its own user,
// called by the API server over TLS.
//
//	KUBEBUILDER_ASSETS="$(test/controlplane/assets.sh)" go test ./test/integration/...
//
// Nothing waits by sleeping: every wait polls for what it waits for, and says what that
// was where it does not come. Every process is ended by its own handle.
package harness
