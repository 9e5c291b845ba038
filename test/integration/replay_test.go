package integration

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/policies"
	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/replay"
	"taffrail.dev/webhook/replay/auditlog"
)

var (
	replayWrites = flag.Int("replay-writes", 400, "how many writes TestReplay makes and replays")
	replayLog    = flag.String("replay-log", "", "the file in which TestReplay keeps the audit log; empty means that it does not")
	replaySeed   = flag.Uint64("replay-seed", 42, "the seed of the writes of TestReplay; 0 makes one from the clock")
)

// The audit policy has these namespaces at level RequestResponse.
const (
	replayAudited  = "replay-audited"
	replayEnforced = "replay-enforced"
)

// What a replay of the audit log says about each write is what Taffrail has recorded when it was made, in the same
// words, unless the replay says that it does not know.
func TestReplay(t *testing.T) {
	if *replaySeed == 0 {
		*replaySeed = uint64(time.Now().UnixNano())
	}
	t.Logf("-replay-writes=%d -replay-seed=%d", *replayWrites, *replaySeed)
	server := newServer(t, harness.ServerOptions{Name: "replay", MaxMode: "audit"})
	register(t, harness.Registration{Name: "replay", Address: server.Address(), FailurePolicy: admissionregistrationv1.Fail})
	must(t, cluster.Namespace(t.Context(), replayAudited, labelMap([]string{enforced, servedBy("replay"), restricted})))
	must(t, cluster.Namespace(t.Context(), replayEnforced, labelMap([]string{enforced, restricted})))
	eventually(t, "Taffrail to record what is created in "+replayAudited, func(ctx context.Context) error {
		answer := cluster.Alice.Create(ctx, harness.ProbePod(replayAudited, "registry.example/probe"), client.DryRunAll)
		if answer.Err != nil {
			return answer.Err
		}
		event, err := cluster.AuditedAnswer(ctx, answer)
		if err == nil && len(ours(event)) == 0 {
			err = fmt.Errorf("nothing is recorded: %v", event.Annotations)
		}
		return err
	})
	must(t, cluster.AwaitEnforcement(t.Context(), replayEnforced))

	recordFacts(t)
	source := rand.New(rand.NewPCG(*replaySeed, 1))
	generator := newGenerator(t, source, replayAudited)
	generator.run(*replayWrites)
	independent := generator.independent(max(*replayWrites/3, 50))
	events := auditedWrites(t)
	t.Run("as recorded", func(t *testing.T) { replayedAsRecorded(t, events) })
	t.Run("as enforced", func(t *testing.T) { replayedAsEnforced(t, events, independent) })
	t.Run("levels", func(t *testing.T) { replayedAtLevels(t, events) })
	t.Run("command", func(t *testing.T) { replayedByCommand(t) })
}

// recordFacts creates an object of every kind that is a fact, or a revision: a replay does not assume that the log has
// those of which it has no write.
func recordFacts(t *testing.T) {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: replayEnforced, Name: "recorded"}
	storage := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	for _, object := range []client.Object{
		&corev1.LimitRange{ObjectMeta: meta, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypePod, Max: corev1.ResourceList{"example.com/none": resource.MustParse("9")}}}}},
		&corev1.ResourceQuota{ObjectMeta: meta, Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"requests.example.com/none": resource.MustParse("9")}}},
		&corev1.PersistentVolumeClaim{ObjectMeta: meta, Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, Resources: corev1.VolumeResourceRequirements{Requests: storage},
		}},
		&autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: meta, Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			MaxReplicas: 2, ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "none"},
		}},
	} {
		must(t, cluster.Admin.Client.Create(t.Context(), object))
		must(t, cluster.Admin.Client.Delete(t.Context(), object))
	}
}

// auditedWrites returns the writes in the audit log so far.
func auditedWrites(t *testing.T) []*auditlog.Event {
	t.Helper()
	log := auditlog.Open([]string{wholeLog(t)}, auditlog.Options{})
	events := slices.Collect(log.Writes())
	if stats := log.Stats(); stats.Broken+stats.Truncated+stats.Other+stats.OutOfOrder != 0 {
		t.Errorf("%+v", stats)
	}
	return events
}

// wholeLog returns a copy of the audit log without the line that is being written.
func wholeLog(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(cluster.AuditLog())
	must(t, err)
	copied := filepath.Join(t.TempDir(), "audit.log")
	must(t, os.WriteFile(copied, text[:bytes.LastIndexByte(text, '\n')+1], 0o600))
	if *replayLog != "" {
		must(t, os.WriteFile(*replayLog, text[:bytes.LastIndexByte(text, '\n')+1], 0o600))
	}
	return copied
}

// replayer returns a Replayer with the Guardrails of the cluster.
func replayer(t *testing.T, maxMode decision.Mode) *replay.Replayer {
	t.Helper()
	catalog, err := rego.Load(policies.FS)
	must(t, err)
	var list v1alpha1.GuardrailList
	must(t, cluster.Admin.Client.List(t.Context(), &list))
	snapshot, problems, err := config.Build(t.Context(), catalog, config.Objects{Guardrails: list.Items})
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	r, err := replay.New(replay.Options{Snapshot: snapshot, MaxMode: maxMode, Exclude: replay.DefaultExclude()})
	must(t, err)
	return r
}

func replayedAsRecorded(t *testing.T, events []*auditlog.Event) {
	c := compare(t, events, unannotated)
	c.report(t)
	if c.annotated < *replayWrites/4 || c.equal < c.annotated {
		t.Errorf("too little is compared for the test to show anything")
	}
	if unknown := c.statuses[replay.StatusUnknown]; unknown > c.compared/20 {
		t.Errorf("%d of %d writes are unknown, although everything is in the log", unknown, c.compared)
	}
}

// Objects that were created while nothing was enforced are denied under the same Guardrails exactly if the replay says
// so, with the same message.
func replayedAsEnforced(t *testing.T, events []*auditlog.Event, independent []client.Object) {
	r := replayer(t, decision.ModeEnforce)
	predicted := map[string]string{}
	for _, e := range events {
		result := r.Write(t.Context(), unannotated(e))
		if e.Object.Namespace != replayAudited || result.Status != replay.StatusDecided || e.User.Username != cluster.Alice.Name || e.Verb != "create" {
			continue
		}
		o := &result.Outcomes[0]
		if o.Err != nil || o.Verdict() == decision.VerdictUnknown {
			continue
		}
		predicted[result.Kind.Kind+"/"+e.Object.Name] = strings.ReplaceAll(o.Validating.Denial(result.Request.Subject()), replayAudited, replayEnforced)
	}
	denied, compared := 0, 0
	for _, object := range independent {
		want, known := predicted[kindName(object)]
		if !known {
			continue
		}
		object.SetNamespace(replayEnforced)
		object.SetResourceVersion("")
		answer := cluster.Alice.Create(t.Context(), object)
		got, isDenied := answer.Denied()
		compared++
		if isDenied {
			denied++
		}
		if got != want {
			t.Errorf("%s: %s (%v)", kindName(object), diff(want, got), answer.Err)
		}
	}
	t.Logf("%d of %d objects are predicted; %d are denied, as predicted", compared, len(independent), denied)
	if compared < len(independent)*9/10 || denied == 0 || denied == compared {
		t.Errorf("too little is compared for the test to show anything")
	}
}

// What can be said depends on the level of the log.
func replayedAtLevels(t *testing.T, events []*auditlog.Event) {
	lower := func(e *auditlog.Event, level auditlog.Level) *auditlog.Event {
		e = unannotated(e)
		if e.Level == auditlog.LevelMetadata {
			return e
		}
		e.Level = level
		if level != auditlog.LevelRequestResponse {
			e.ResponseObject = nil
		}
		if level == auditlog.LevelMetadata {
			e.RequestObject = nil
		}
		return e
	}
	var most int64
	for i, log := range []struct {
		name  string
		level func(*auditlog.Event) auditlog.Level
	}{
		{"RequestResponse", func(*auditlog.Event) auditlog.Level { return auditlog.LevelRequestResponse }},
		{"as on EKS", func(e *auditlog.Event) auditlog.Level {
			if e.Object.Resource == "secrets" || e.Object.Resource == "configmaps" {
				return auditlog.LevelMetadata
			}
			return auditlog.LevelRequestResponse
		}},
		{"Request", func(*auditlog.Event) auditlog.Level { return auditlog.LevelRequest }},
		{"Metadata", func(*auditlog.Event) auditlog.Level { return auditlog.LevelMetadata }},
	} {
		logged := func(e *auditlog.Event) *auditlog.Event { return lower(e, log.level(e)) }
		r := replayer(t, decision.ModeEnforce)
		c := replay.NewCollector(replay.CollectorOptions{Namespaces: []string{replayAudited}})
		for _, e := range events {
			result := r.Write(t.Context(), logged(e))
			c.Add(&result)
		}
		report := c.Report(&auditlog.Stats{}, 0)
		n := report.Counts
		t.Logf("| %s | %d | %d | %d | %d | %d | %d |", log.name, n.Sent, n.Deny, n.Unknown, n.Warn, n.Allow, n.Filled)
		for _, reason := range report.Reasons {
			t.Logf("  %d: %s", reason.Count, reason.Reason)
		}
		known := n.Sent - n.Unknown
		switch {
		case i == 0:
			most = known
		case known > 0: // what is decided with less is decided as before
			compare(t, events, logged).report(t)
		}
		if known > most || log.name == "Metadata" && known != 0 {
			t.Errorf("at level %s, %d writes are decided, and %d at level RequestResponse", log.name, known, most)
		}
	}
}

// The command reads the log of a real API server, and finds what would be denied.
func replayedByCommand(t *testing.T) {
	guardrails, err := testGuardrails()
	must(t, err)
	file, err := guardrailFile(guardrails)
	must(t, err)
	configuration := filepath.Join(t.TempDir(), "guardrails.yaml")
	must(t, os.WriteFile(configuration, file, 0o600))
	command := exec.CommandContext(t.Context(), cluster.Binary, "replay", "-c", configuration, "-n", replayAudited, wholeLog(t))
	output, err := command.CombinedOutput()
	if command.ProcessState == nil || command.ProcessState.ExitCode() != 1 {
		t.Errorf("%v", err)
	}
	text := string(output)
	for _, want := range []string{"would be sent to Taffrail", "would be denied", "required by Guardrail chapter", "deployments.apps "} {
		if !strings.Contains(text, want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	t.Logf("%s", text[:min(len(text), 6000)])
}
