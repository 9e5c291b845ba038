package integration

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
	"taffrail.dev/test/hostile"
)

// chartBytes is the chart's server.maxInFlightBytes.
const chartBytes = 16 << 20

// Anyone in the cluster can reach the port, but nobody can keep the API server's requests from being decided.
func TestNobodyAtThePortSilencesAReplica(t *testing.T) {
	t.Parallel()
	server := newServer(t, harness.ServerOptions{Name: "port", MaxInFlightBytes: chartBytes})
	namespaces := breakable(t, "port", server.Address())
	for _, namespace := range []string{namespaces.ignore, namespaces.fail} {
		must(t, cluster.AwaitEnforcement(t.Context(), namespace))
	}
	for _, test := range []struct {
		name    string
		callers map[hostile.Sort]int
	}{
		{"two that announce 8,388,607 bytes", map[hostile.Sort]int{hostile.Announced: 2}},
		{"many that announce ordinary bodies", map[hostile.Sort]int{hostile.Ordinary: 600}},
		{"large bodies that stop", map[hostile.Sort]int{hostile.Stalled: 6}},
		{"bodies without end", map[hostile.Sort]int{hostile.Endless: 4}},
		{"bodies byte by byte", map[hostile.Sort]int{hostile.SlowBody: 600, hostile.Lost: 50}},
		{"headers byte by byte", map[hostile.Sort]int{hostile.SlowHeader: 100}},
		{"connections without end", map[hostile.Sort]int{hostile.Many: 10, hostile.Silent: 100}},
		{"HTTP/2", map[hostile.Sort]int{hostile.HTTP2: 20}},
		{"idle and deaf ones", map[hostile.Sort]int{hostile.Idle: 100, hostile.Deaf: 5}},
	} {
		t.Run(test.name, func(t *testing.T) {
			silences(t, server, namespaces, hostile.Start(t.Context(), server.Address(), test.callers))
		})
	}
	t.Run("more connections than there may be", func(t *testing.T) {
		attack := hostile.Start(t.Context(), server.Address(), map[hostile.Sort]int{hostile.Idle: 400, hostile.Silent: 2400})
		silences(t, server, namespaces, attack)
	})
	t.Run("at the port for metrics", func(t *testing.T) {
		attack := hostile.StartPlain(t.Context(), server.MetricsAddress(), map[hostile.Sort]int{
			hostile.Idle: 200, hostile.SlowHeader: 100, hostile.Deaf: 20, hostile.Announced: 50, hostile.Many: 5,
		})
		silences(t, server, namespaces, attack)
	})
}

// silences fails the test if an attack prevents decisions or answers to probes. It ends the attack.
func silences(t *testing.T, server *harness.Server, namespaces broken, attack *hostile.Attack) {
	t.Helper()
	defer attack.Stop()
	eventually(t, "the attack", func(context.Context) error { return attack.UnderWay() })
	for range 5 {
		for _, namespace := range []string{namespaces.ignore, namespaces.fail} {
			answer := cluster.Alice.Create(t.Context(), harness.ProbePod(namespace, "registry.example/app"), client.DryRunAll)
			if _, denied := answer.Denied(); !denied {
				t.Fatalf("%s: a Pod without a tag is not denied by Taffrail: %v", namespace, answer.Err)
			}
			pod := harness.ProbePod(namespace, "registry.example/app:1.0.0")
			admit(t, namespace, cluster.Alice.Create(t.Context(), pod, client.DryRunAll))
			if len(pod.Spec.Containers[0].Resources.Requests) == 0 {
				t.Fatalf("%s: a Pod is admitted without being filled", namespace)
			}
		}
		must(t, server.Ready(t.Context()))
		must(t, server.ReadyPlain(t.Context()))
	}
}

// The API server calls from few addresses, with hundreds of concurrent requests. It repeats a request that is shed, so
// all of them are decided, and on a machine that reads them promptly few have to be repeated.
func TestHundredsAtOnceFromTwoAddresses(t *testing.T) {
	t.Parallel()
	server := newServer(t, harness.ServerOptions{Name: "hundreds", MaxInFlightBytes: chartBytes})
	namespace := breakable(t, "hundreds", server.Address()).fail
	must(t, cluster.AwaitEnforcement(t.Context(), namespace))
	attack := hostile.Start(t.Context(), server.Address(), map[hostile.Sort]int{
		hostile.Announced: 10, hostile.Stalled: 3, hostile.SlowHeader: 20, hostile.Idle: 20,
	})
	defer attack.Stop()
	eventually(t, "the attack", func(context.Context) error { return attack.UnderWay() })

	const each = 256
	review := reviewOf(t, namespace, 10<<10)
	begin := make(chan struct{})
	var callers sync.WaitGroup
	var repeated atomic.Int64
	for _, from := range []string{"127.0.0.1", "127.0.0.2"} {
		for range each {
			callers.Go(func() {
				caller := callerFrom(from)
				defer caller.CloseIdleConnections()
				<-begin
				status, answer := send(t, caller, server.Address(), review)
				if status == http.StatusTooManyRequests {
					repeated.Add(1)
					time.Sleep(time.Second) // as Retry-After says
					status, answer = send(t, caller, server.Address(), review)
				}
				if status != http.StatusOK || !strings.Contains(answer, `"allowed":true`) {
					t.Errorf("from %s: HTTP %d %s", from, status, answer)
				}
			})
		}
	}
	close(begin)
	callers.Wait()
	if n := repeated.Load(); n > each/10 {
		t.Errorf("%d of %d requests were shed", n, 2*each)
	}
}

// The largest request of the API server is decided, even while others occupy memory with large bodies.
func TestTheLargestRequestPassesBesideHostileOnes(t *testing.T) {
	t.Parallel()
	server := newServer(t, harness.ServerOptions{Name: "largest", MaxInFlightBytes: chartBytes})
	namespace := breakable(t, "largest", server.Address()).ignore
	must(t, cluster.AwaitEnforcement(t.Context(), namespace))
	attack := hostile.Start(t.Context(), server.Address(), map[hostile.Sort]int{hostile.Announced: 10, hostile.Stalled: 3})
	defer attack.Stop()
	eventually(t, "the attack", func(context.Context) error { return attack.UnderWay() })

	pod := harness.ProbePod(namespace, "registry.example/app")
	pod.Spec.Containers[0].Args = []string{strings.Repeat("x", 2900<<10)}
	deny(t, "a Pod of nearly 3 MiB", cluster.Alice.Create(t.Context(), pod, client.DryRunAll))

	// The same object twice, as new and old. The API server retries ten times (maxRetries of
	// k8s.io/client-go/rest), each time after the second that Retry-After specifies.
	caller, review := callerFrom("127.0.0.1"), reviewOf(t, namespace, 7<<20)
	status, answer := send(t, caller, server.Address(), review)
	for range 10 {
		if status != http.StatusTooManyRequests {
			break
		}
		time.Sleep(time.Second)
		status, answer = send(t, caller, server.Address(), review)
	}
	if status != http.StatusOK {
		t.Errorf("7 MiB: HTTP %d %s", status, answer)
	}
}

// reviewOf returns the review of a good Pod of about the given size.
func reviewOf(t *testing.T, namespace string, size int) []byte {
	t.Helper()
	pod := harness.ProbePod(namespace, "registry.example/app:1.0.0")
	pod.Kind, pod.APIVersion = "Pod", "v1"
	pod.Spec.Containers[0].Args = []string{strings.Repeat("x", size)}
	review, err := json.Marshal(map[string]any{
		"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
		"request": map[string]any{
			"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "kind": map[string]string{"group": "", "version": "v1", "kind": "Pod"},
			"name": pod.Name, "namespace": namespace, "operation": "CREATE", "userInfo": map[string]string{"username": "alice"},
			"object": pod, "dryRun": true,
		},
	})
	must(t, err)
	return review
}

// callerFrom returns a client that uses HTTP/2 from a local address, as the API server may.
func callerFrom(address string) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &http.Client{Transport: &http.Transport{
		DialContext:       dialer.DialContext,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13},
		ForceAttemptHTTP2: true,
	}}
}

// send sends a review.
func send(t *testing.T, caller *http.Client, address string, review []byte) (status int, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+address+"/mutate?timeout=30s", bytes.NewReader(review))
	if err != nil {
		return 0, err.Error()
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := caller.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, fmt.Sprintf("%s: %v", response.Status, err)
	}
	return response.StatusCode, string(text)
}
