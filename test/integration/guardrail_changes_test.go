package integration

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
)

// guardrailChanges is small, so that this is a test. For figures worth quoting:
//
//	go test ./test/integration -run TestGuardrailsThatChange -v -guardrail-changes=2000
var guardrailChanges = flag.Int("guardrail-changes", 60, "how many times TestGuardrailsThatChange changes a Guardrail")

// A Guardrail is changed many times in a row, each time with parameters that were never used before. Each change takes
// effect, requests are decided meanwhile, and the server keeps nothing of what was. How long that takes is printed and
// depends on the machine.
func TestGuardrailsThatChange(t *testing.T) {
	label := unique("changes")
	server := newServer(t, harness.ServerOptions{Name: label, MaxInFlightBytes: chartBytes})
	namespaces := breakable(t, label, server.Address())
	for _, namespace := range []string{namespaces.ignore, namespaces.fail} {
		must(t, cluster.AwaitEnforcement(t.Context(), namespace))
	}
	namespace := newNamespace(t, label, "test.taffrail.dev/own="+label, servedBy(label+"-fail"))

	changes := &changedGuardrail{label: label, namespace: namespace}
	changes.create(t)
	rows := []string{"\trequests\tp50\tp99\tlongest"}
	length := max(5*time.Second, time.Duration(*guardrailChanges)*10*time.Millisecond)
	rows = append(rows, sent("requests without changes", whileSending(t, namespaces, func() {
		select {
		case <-time.After(length):
		case <-t.Context().Done():
		}
	})))

	use := []serverUse{useOf(t, server, "before")}
	var effects []time.Duration
	meanwhile := whileSending(t, namespaces, func() {
		for i := range *guardrailChanges {
			effects = append(effects, changes.change(t, i+1))
			if n := i + 1; n == *guardrailChanges/10 || n == *guardrailChanges/2 || n == *guardrailChanges {
				use = append(use, useOf(t, server, fmt.Sprintf("after %d changes", n)))
			}
		}
	})
	rows = append(rows, sent("requests meanwhile", meanwhile), sent("changes, until in effect", effects))
	rows = append(rows, "", "\tresident memory\tgoroutines")
	for _, u := range use {
		rows = append(rows, fmt.Sprintf("%s\t%.0f MiB\t%.0f", u.when, u.memory/(1<<20), u.goroutines))
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	_, err := fmt.Fprintln(w, strings.Join(rows, "\n"))
	must(t, err)
	must(t, w.Flush())
	t.Log("\n" + table.String())

	// A goroutine for each change would be noticed, and 32 KiB for each of 2,000. Connections may stay for a while.
	before, early, last := use[0], use[1], use[len(use)-1]
	eventually(t, "the goroutines to end", func(context.Context) error {
		if now := useOf(t, server, "now"); now.goroutines > before.goroutines+30 {
			return fmt.Errorf("there were %.0f, and there are %.0f", before.goroutines, now.goroutines)
		}
		return nil
	})
	if last.memory > early.memory+64<<20 {
		t.Errorf("memory grows: %.0f MiB, and then %.0f MiB", early.memory/(1<<20), last.memory/(1<<20))
	}
}

// changedGuardrail is a Guardrail that forbids one tag of images, another one after each change.
type changedGuardrail struct {
	label, namespace string
	stored           *v1alpha1.Guardrail
}

func (c *changedGuardrail) binding(i int) v1alpha1.PolicyBinding {
	return v1alpha1.PolicyBinding{Name: "image-tag", Parameters: &apiextensionsv1.JSON{Raw: fmt.Appendf(nil, `{"tags":[%q]}`, c.tag(i))}}
}

func (*changedGuardrail) tag(i int) string { return fmt.Sprint("forbidden-", i) }

func (c *changedGuardrail) create(t *testing.T) {
	t.Helper()
	g := binding(c.label, c.label, "image-tag")
	g.Spec.Policies[0] = c.binding(0)
	putGuardrail(t, g)
	c.stored = &v1alpha1.Guardrail{}
	must(t, cluster.Admin.Client.Get(t.Context(), client.ObjectKeyFromObject(g), c.stored))
	eventually(t, "the Guardrail", func(ctx context.Context) error { return c.inForce(ctx, 0) })
}

// change returns the time from the API server's answer until the change is in force.
func (c *changedGuardrail) change(t *testing.T, i int) time.Duration {
	t.Helper()
	changed := c.stored.DeepCopy()
	changed.Spec.Policies[0] = c.binding(i)
	must(t, cluster.Admin.Client.Patch(t.Context(), changed, client.MergeFrom(c.stored)))
	changedAt := time.Now()
	c.stored = changed
	must(t, harness.Await(t.Context(), 4*time.Minute, time.Millisecond, fmt.Sprint("change ", i), func(ctx context.Context) error { return c.inForce(ctx, i) }))
	took := time.Since(changedAt)
	if answer := c.pod(t.Context(), i-1); answer.Err != nil {
		t.Errorf("change %d: the one before is in force too: %v", i, answer.Err)
	}
	return took
}

func (c *changedGuardrail) inForce(ctx context.Context, i int) error {
	answer := c.pod(ctx, i)
	if _, denied := answer.Denied(); !denied {
		return fmt.Errorf("a Pod with the tag %s is not denied: %w", c.tag(i), orNothing(answer.Err))
	}
	return nil
}

func (c *changedGuardrail) pod(ctx context.Context, i int) *harness.Answer {
	return cluster.Alice.Create(ctx, harness.ProbePod(c.namespace, "registry.example/app:"+c.tag(i)), client.DryRunAll)
}

// whileSending sends good and violating requests until do returns, and returns how long they took. None of them may fail.
// Four callers send up to five requests a second each, and wait for each answer: a busy machine gets fewer.
func whileSending(t *testing.T, namespaces broken, do func()) (took []time.Duration) {
	t.Helper()
	const callers, interval = 4, 200 * time.Millisecond
	done := make(chan struct{})
	var sending sync.WaitGroup
	var mutex sync.Mutex
	for caller := range callers {
		sending.Go(func() {
			ticker := time.NewTicker(interval)
			defer ticker.Stop()
			for turn := caller; ; turn++ {
				select {
				case <-done:
					return
				case <-ticker.C:
				}
				sent := time.Now()
				if err := decided(t, namespaces, turn); err != nil {
					t.Error(err)
				}
				mutex.Lock()
				took = append(took, time.Since(sent))
				mutex.Unlock()
			}
		})
	}
	do()
	close(done)
	sending.Wait()
	return took
}

// sent returns a row of the table.
func sent(what string, took []time.Duration) string {
	slices.Sort(took)
	at := func(percent int) time.Duration { return took[(len(took)-1)*percent/100].Round(time.Millisecond / 10) }
	return fmt.Sprintf("%s\t%d\t%v\t%v\t%v", what, len(took), at(50), at(99), at(100))
}

// serverUse is what a server holds.
type serverUse struct {
	when               string
	memory, goroutines float64
}

func useOf(t *testing.T, server *harness.Server, when string) serverUse {
	t.Helper()
	return serverUse{when, processMetric(t, server, "process_resident_memory_bytes"), processMetric(t, server, "go_goroutines")}
}
