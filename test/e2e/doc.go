// Package e2e tests the image, installed by the chart, in a kind cluster of three nodes: with kubectl as a user with few
// permissions, and with a client that never stops writing while what it depends on is upgraded, drained, killed and
// restarted.
//
// Everything except this file and the program in app, from which images are built, has the build tag e2e and is run by
// `make e2e`. It needs a docker that kind can use. Settings are environment variables:
//
//	KIND_NODE_IMAGE   the image of the nodes, by default kind's
//	E2E_IMAGE         the image of Taffrail, which docker must have
//	E2E_CLUSTER       the name of an existing cluster to use and to keep
//	E2E_KEEP=1        keeps the cluster
//	E2E_ARTIFACTS     a folder for the logs of a failed run
package e2e
