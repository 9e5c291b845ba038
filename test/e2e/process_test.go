//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// findProcess prints the process of a Pod, as seen from its node: the one with the Pod's files and the given
// program name. The Pod has no shell to run it in.
const findProcess = `
for mounts in $(grep -ls "/pods/$1/" /proc/[0-9]*/mountinfo); do
  process=${mounts%/mountinfo}
  case $(tr '\0' ' ' <"$process/cmdline") in "$2 "*) echo "${process#/proc/}"; exit ;; esac
done
exit 1`

// process returns the process ID of a replica on its node.
func process(ctx context.Context, pod *corev1.Pod) (string, error) {
	id, err := world.cluster.on(ctx, pod.Spec.NodeName, findProcess, string(pod.UID), "/taffrail serve")
	if err != nil {
		return "", fmt.Errorf("Pod %s has no process on %s: %w", pod.Name, pod.Spec.NodeName, err)
	}
	return id, nil
}

// signalPod sends a signal directly to the process of a replica, without involving the kubelet.
func signalPod(t *testing.T, pod *corev1.Pod, signal string) {
	t.Helper()
	id, err := process(t.Context(), pod)
	must(t, err)
	_, err = world.cluster.on(t.Context(), pod.Spec.NodeName, `kill -s "$1" "$2"`, signal, id)
	must(t, err)
}

// restarts returns how often the container of a replica was restarted.
func restarts(pod *corev1.Pod) int32 {
	var n int32
	for i := range pod.Status.ContainerStatuses {
		n += pod.Status.ContainerStatuses[i].RestartCount
	}
	return n
}

// failedToStart reports whether the last start of a container before the current one failed before its program ran,
// which a busy container runtime may cause, and nothing in the image.
func failedToStart(pod *corev1.Pod) bool {
	for i := range pod.Status.ContainerStatuses {
		ended := pod.Status.ContainerStatuses[i].LastTerminationState.Terminated
		if ended == nil || ended.Reason != "StartError" && ended.Reason != "ContainerCannotRun" {
			return false
		}
	}
	return true
}

// lastEnds returns how each container of a replica ended last, and what it then wrote.
func lastEnds(t *testing.T, pod *corev1.Pod) string {
	t.Helper()
	var text strings.Builder
	for i := range pod.Status.ContainerStatuses {
		status := &pod.Status.ContainerStatuses[i]
		logs, err := world.admin.client.CoreV1().Pods(pod.Namespace).
			GetLogs(pod.Name, &corev1.PodLogOptions{Container: status.Name, Previous: true, TailLines: new(int64(30))}).DoRaw(t.Context())
		fmt.Fprintf(&text, "%s: %+v\n%s\n", status.Name, status.LastTerminationState.Terminated, logs)
		if err != nil {
			fmt.Fprintf(&text, "no logs: %v\n", err)
		}
	}
	return text.String()
}

// awaitEndpoint waits until the endpoints that kube-proxy uses list a replica as ready, or do not. It returns
// when that was observed.
func awaitEndpoint(t *testing.T, pod *corev1.Pod, ready bool) time.Time {
	t.Helper()
	what := "the endpoint of " + pod.Name + " to be taken out"
	if ready {
		what = "the endpoint of " + pod.Name + " to be ready"
	}
	eventually(t, what, func(ctx context.Context) error {
		list, err := world.admin.client.DiscoveryV1().EndpointSlices(systemNamespace).List(ctx, metav1.ListOptions{
			LabelSelector: discoveryv1.LabelServiceName + "=" + release,
		})
		if err != nil {
			return err
		}
		if called(list.Items, pod.Name) != ready {
			return errors.New("not yet")
		}
		return nil
	})
	return time.Now()
}

func called(slices []discoveryv1.EndpointSlice, pod string) bool {
	for i := range slices {
		for _, endpoint := range slices[i].Endpoints {
			if endpoint.TargetRef != nil && endpoint.TargetRef.Name == pod && endpoint.Conditions.Ready != nil && *endpoint.Conditions.Ready {
				return true
			}
		}
	}
	return false
}
