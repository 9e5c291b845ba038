package main

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"taffrail.dev/webhook/credentials"
	"taffrail.dev/webhook/decision"
)

// native is a part of what the policies say, written by hand in Go over the same request: images,
// probes, hooks and resources of Pods, the type of a Service, who writes a Secret, and the files of a
// ConfigMap. It is the floor that a policy language is measured against, and finds less.
func native(r *decision.Request) []string {
	switch r.Kind.Kind {
	case "Service":
		return nativeService(r)
	case "Secret":
		return nativeSecret(r)
	case "ConfigMap":
		return nativeConfigMap(r)
	}
	if r.Workload == nil {
		return nil
	}
	var findings []string
	for i := range r.Workload.Containers {
		c := &r.Workload.Containers[i]
		findings = nativeImage(c, findings)
		if c.Type == decision.ContainerEphemeral {
			continue
		}
		if r.Workload.LongRunning && c.Type != decision.ContainerInit {
			findings = nativeProbes(c, findings)
			findings = nativePreStop(c, findings)
		}
		findings = nativeResources(r.Workload, c, findings)
	}
	return findings
}

func nativeImage(c *decision.Container, findings []string) []string {
	if c.Image.Digest == "" && (c.Image.Tag == "" || strings.EqualFold(c.Image.Tag, "latest")) {
		return append(findings, fmt.Sprintf("%s.image: %q names no version", c.Path, c.Image.Reference))
	}
	return findings
}

func nativeProbes(c *decision.Container, findings []string) []string {
	for _, name := range []string{"readinessProbe", "livenessProbe"} {
		probe, _ := c.Spec[name].(map[string]any)
		handled := false
		for _, handler := range []string{"httpGet", "tcpSocket", "exec", "grpc"} {
			if _, ok := probe[handler].(map[string]any); ok {
				handled = true
			}
		}
		if !handled {
			findings = append(findings, fmt.Sprintf("%s.%s: is missing", c.Path, name))
		}
	}
	return findings
}

func nativePreStop(c *decision.Container, findings []string) []string {
	if ports, _ := c.Spec["ports"].([]any); len(ports) == 0 {
		return findings
	}
	lifecycle, _ := c.Spec["lifecycle"].(map[string]any)
	hook, _ := lifecycle["preStop"].(map[string]any)
	if action, _ := hook["sleep"].(map[string]any); action != nil {
		return findings
	}
	if action, _ := hook["exec"].(map[string]any); action != nil {
		command, _ := action["command"].([]any)
		for _, argument := range command {
			if text, _ := argument.(string); strings.Contains(text, "sleep") {
				return findings
			}
		}
	}
	return append(findings, c.Path+".lifecycle.preStop: does not wait")
}

func nativeResources(w *decision.Workload, c *decision.Container, findings []string) []string {
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if w.PodResources != nil {
			if _, ok := w.PodResources.Requests[name]; ok {
				continue
			}
		}
		if _, ok := c.Effective.Requests[name]; !ok {
			findings = append(findings, fmt.Sprintf("%s.resources.requests.%s: is missing", c.Path, name))
		}
		if _, ok := c.Effective.Limits[name]; !ok {
			findings = append(findings, fmt.Sprintf("%s.resources.limits.%s: is missing", c.Path, name))
		}
	}
	return findings
}

func nativeService(r *decision.Request) []string {
	spec, _ := r.Object["spec"].(map[string]any)
	if spec["type"] == "LoadBalancer" || spec["type"] == "NodePort" {
		return []string{"spec.type: is reachable from outside the cluster"}
	}
	return nil
}

func nativeSecret(r *decision.Request) []string {
	data, _ := r.Object["data"].(map[string]any)
	if len(data) > 0 && r.User.Name != secretController && !slices.Contains(r.User.Groups, "system:masters") {
		return []string{"data: is not to be written by people"}
	}
	return nil
}

func nativeConfigMap(r *decision.Request) (findings []string) {
	data, _ := r.Object["data"].(map[string]any)
	for name, value := range data {
		text, _ := value.(string)
		for _, match := range credentials.Text(name, text) {
			findings = append(findings, fmt.Sprintf("data[%s]: line %d holds %s", name, match.Line, match.What))
		}
	}
	return findings
}
