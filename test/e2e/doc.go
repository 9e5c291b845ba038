// Package e2e holds what is asserted of the image, in the chart, in a kind cluster of three
// nodes: by kubectl as a person with few rights, and by a client that never stops writing
// while what it relies on is upgraded, drained, killed and brought back.
//
// Everything but this file and the program in app, which images are built from, has the build
// tag e2e: `make e2e` runs it. What it takes is a docker that kind can use. Settings, all by
// environment:
//
//	KIND_NODE_IMAGE   the image of the nodes, kind's default if not set
//	E2E_IMAGE         the image of Taffrail, which docker has to have already
//	E2E_CLUSTER       a cluster of that name is used, and left as it is in the end
//	E2E_KEEP=1        the cluster is kept
//	E2E_ARTIFACTS     a folder for the logs of a run that failed
package e2e
