package integration

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
	"taffrail.dev/test/hostile"
)

// loadTime is short, so that this is a test. For figures worth quoting:
//
//	go test ./test/integration -run TestHostileCallersMakeNobodyFail -v -load=30s
var loadTime = flag.Duration("load", 3*time.Second, "how long each row of the table of hostile callers takes")

const (
	// goodPerSecond is the number of good requests that are sent per second.
	goodPerSecond = 50
	// goodAtOnce is the number of good requests that may be under way. A machine that cannot answer goodPerSecond
	// gets fewer, so that only the hostile callers overload it, and not this test. A quiet machine needs a few.
	goodAtOnce = 16
	// hostileCallers is the number of concurrent hostile callers.
	hostileCallers = 200
)

// 200 hostile connections of six sorts compete with 50 requests per second to the API server, which alternate
// between good and violating. Their rate and additional latency are printed and depend on the machine; none of them
// may fail.
func TestHostileCallersMakeNobodyFail(t *testing.T) {
	server := newServer(t, harness.ServerOptions{Name: "load", MaxInFlightBytes: chartBytes})
	namespaces := breakable(t, "load", server.Address())
	for _, namespace := range []string{namespaces.ignore, namespaces.fail} {
		must(t, cluster.AwaitEnforcement(t.Context(), namespace))
	}
	sorts := []hostile.Sort{hostile.Announced, hostile.SlowHeader, hostile.SlowBody, hostile.Many, hostile.HTTP2, hostile.Idle}
	all := map[hostile.Sort]int{}
	for i := range hostileCallers {
		all[sorts[i%len(sorts)]]++
	}
	rows := []string{"hostile callers\tgood requests\ta second\tfailed\tp50\tp99\tlongest\tCPU of the server\tits memory\tconnections opened"}
	rows = append(rows, underLoad(t, server, namespaces, "none", nil))
	for _, sort := range sorts {
		rows = append(rows, underLoad(t, server, namespaces, "200 of "+string(sort), map[hostile.Sort]int{sort: hostileCallers}))
	}
	rows = append(rows, underLoad(t, server, namespaces, "200 of six sorts", all))
	rows = append(rows, underLoad(t, server, namespaces, "none", nil))
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	_, err := fmt.Fprintln(w, strings.Join(rows, "\n"))
	must(t, err)
	must(t, w.Flush())
	t.Log("\n" + table.String())
}

// underLoad runs one row of the table.
func underLoad(t *testing.T, server *harness.Server, namespaces broken, name string, callers map[hostile.Sort]int) string {
	t.Helper()
	attack := hostile.Start(t.Context(), server.Address(), callers)
	defer attack.Stop()
	eventually(t, "the attack", func(context.Context) error { return attack.UnderWay() })
	before, began := processMetric(t, server, "process_cpu_seconds_total"), time.Now()

	var sending errgroup.Group
	sending.SetLimit(goodAtOnce)
	var mutex sync.Mutex
	var took []time.Duration
	failed := 0
	for turn := range int(loadTime.Seconds() * goodPerSecond) {
		// Follow the schedule: after a delay, the following requests are sent as soon as others end.
		time.Sleep(time.Until(began.Add(time.Duration(turn) * time.Second / goodPerSecond)))
		sending.Go(func() error {
			sent := time.Now()
			err := decided(t, namespaces, turn)
			mutex.Lock()
			defer mutex.Unlock()
			took = append(took, time.Since(sent))
			if err != nil {
				failed++
				t.Errorf("%s: %v", name, err)
			}
			return nil
		})
	}
	must(t, sending.Wait())
	cpu := processMetric(t, server, "process_cpu_seconds_total") - before
	elapsed := time.Since(began).Seconds()
	memory := processMetric(t, server, "process_resident_memory_bytes")
	var opened int64
	for sort := range callers {
		opened += attack.Opened(sort)
	}
	slices.Sort(took)
	at := func(percent int) time.Duration { return took[(len(took)-1)*percent/100].Round(time.Millisecond / 10) }
	return fmt.Sprintf("%s\t%d\t%.0f\t%d\t%v\t%v\t%v\t%.0f %%\t%.0f MiB\t%d", name, len(took),
		float64(len(took))/elapsed, failed, at(50), at(99), at(100), 100*cpu/elapsed, memory/(1<<20), opened)
}

// decided writes to the API server, and returns an error unless Taffrail decided correctly.
func decided(t *testing.T, namespaces broken, turn int) error {
	namespace := []string{namespaces.ignore, namespaces.fail}[turn/2%2]
	if turn%2 == 0 {
		answer := cluster.Alice.Create(t.Context(), harness.ProbePod(namespace, "registry.example/app"), client.DryRunAll)
		if _, denied := answer.Denied(); !denied {
			return fmt.Errorf("%s: a Pod without a tag is not denied: %w", namespace, orNothing(answer.Err))
		}
		return nil
	}
	pod := harness.ProbePod(namespace, "registry.example/app:1.0.0")
	if answer := cluster.Alice.Create(t.Context(), pod, client.DryRunAll); answer.Err != nil {
		return fmt.Errorf("%s: a good Pod is refused: %w", namespace, answer.Err)
	}
	if len(pod.Spec.Containers[0].Resources.Requests) == 0 {
		return fmt.Errorf("%s: a Pod is admitted without being filled", namespace)
	}
	return nil
}

// processMetric reads a metric without labels.
func processMetric(t *testing.T, server *harness.Server, name string) float64 {
	t.Helper()
	metrics, err := server.Metrics(t.Context())
	must(t, err)
	for line := range strings.Lines(metrics) {
		if text, found := strings.CutPrefix(line, name+" "); found {
			value, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			must(t, err)
			return value
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}
