package main

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"taffrail.dev/webhook/decision"
)

// native implements the bound policies by hand in Go, on the same parsed request. It is the lower limit for the
// cost of a policy language.
func native(r *decision.Request) []string {
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
