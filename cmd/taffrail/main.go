// Command taffrail checks manifests against policies, and serves the same verdicts to a cluster
// as an admission webhook.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), programOf(os.Args[0]), os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}
