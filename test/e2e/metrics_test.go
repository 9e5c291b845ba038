//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// asked returns how many AdmissionReviews a replica has answered, according to its metrics.
func asked(ctx context.Context, pod *corev1.Pod) (float64, error) { return askedAt(ctx, pod, "") }

// askedAt returns the count of one path, or of all paths if it is empty.
func askedAt(ctx context.Context, pod *corev1.Pod, path string) (float64, error) {
	page, err := world.admin.client.CoreV1().Pods(systemNamespace).ProxyGet("http", pod.Name, "8080", "metrics", nil).DoRaw(ctx)
	if err != nil {
		return 0, err
	}
	var sum float64
	lines := bufio.NewScanner(bytes.NewReader(page))
	for lines.Scan() {
		name, value, found := strings.Cut(lines.Text(), "} ")
		if found && strings.HasPrefix(name, "taffrail_requests_total{") && (path == "" || strings.Contains(name, fmt.Sprintf("path=%q", path))) {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0, err
			}
			sum += n
		}
	}
	return sum, lines.Err()
}

// askedTogether returns how many AdmissionReviews all replicas have answered.
func askedTogether(ctx context.Context) (float64, error) {
	pods, err := replicas(ctx)
	if err != nil {
		return 0, err
	}
	var sum float64
	for i := range pods {
		n, err := asked(ctx, &pods[i])
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// busiest returns the replica that currently gets the most requests: the API server keeps its connections, and
// not every replica has one.
func busiest(t *testing.T) corev1.Pod {
	t.Helper()
	pods := mustReplicas(t, 1)
	before := make([]float64, len(pods))
	for i := range pods {
		var err error
		before[i], err = asked(t.Context(), &pods[i])
		must(t, err)
	}
	var most int
	eventually(t, "a replica to be asked", func(ctx context.Context) error {
		var highest float64
		for i := range pods {
			now, err := asked(ctx, &pods[i])
			if err != nil {
				return err
			}
			if now-before[i] > highest {
				most, highest = i, now-before[i]
			}
		}
		if highest < writesPerSecond {
			return fmt.Errorf("the most is %v", highest)
		}
		return nil
	})
	return pods[most]
}

// residentMemory returns the current and the peak memory of a replica's process, in bytes.
func residentMemory(ctx context.Context, pod *corev1.Pod) (now, most int64, err error) {
	id, err := process(ctx, pod)
	if err != nil {
		return 0, 0, err
	}
	status, err := world.cluster.on(ctx, pod.Spec.NodeName, `cat "/proc/$1/status"`, id)
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(status) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[2] != "kB" {
			continue
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return 0, 0, err
		}
		switch fields[0] {
		case "VmRSS:":
			now = n << 10
		case "VmHWM:":
			most = n << 10
		}
	}
	if now == 0 || most == 0 {
		return 0, 0, errors.New("/proc says nothing of memory")
	}
	return now, most, nil
}

// age returns how long the process of a replica has been running.
func age(ctx context.Context, pod *corev1.Pod) (time.Duration, error) {
	id, err := process(ctx, pod)
	if err != nil {
		return 0, err
	}
	// Both are relative to the start of the machine: in seconds, and as the 22nd field in ticks of 10 ms. The
	// second field is the program's name, in parentheses.
	out, err := world.cluster.on(ctx, pod.Spec.NodeName, `cut -d' ' -f1 /proc/uptime; sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f20`, id)
	if err != nil {
		return 0, err
	}
	var uptime, ticks float64
	if _, err := fmt.Sscan(out, &uptime, &ticks); err != nil {
		return 0, fmt.Errorf("%q: %w", out, err)
	}
	return time.Duration((uptime - ticks/100) * float64(time.Second)), nil
}
