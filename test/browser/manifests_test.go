package browser_test

import (
	"fmt"
	"strconv"
	"strings"
)

// quoted returns a text as JavaScript and JSON, and so also as YAML.
func quoted(text string) string { return strconv.QuoteToASCII(text) }

// deployment returns a Deployment without probes, whose image has no tag.
func deployment(namespace, name, image string) string {
	return fmt.Sprintf(`---
apiVersion: apps/v1
kind: Deployment
metadata: {name: %s, namespace: %s, labels: {team: %s}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: main, image: %s}
`, quoted(name), quoted(namespace), quoted("team-"+namespace[:1]), quoted(image))
}

// shop returns three Deployments in two namespaces, one of which has a tag, and a Service.
func shop() string {
	return deployment("shop", "web", "nginx") + deployment("shop", "api", "nginx:1.27.3") + deployment("pay", "api", "nginx") +
		"---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
}

// many returns Deployments in many namespaces, as many as have n findings of the policies image-tag and
// require-prestop.
func many(n int) string {
	var b strings.Builder
	for i := range n / 2 {
		b.WriteString(deployment("team-"+strconv.Itoa(i%400), "web-"+strconv.Itoa(i), "nginx"))
	}
	return b.String()
}
