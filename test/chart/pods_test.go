package chart

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"taffrail.dev/test/harness"
)

func deployment(t *testing.T, objects []*unstructured.Unstructured, name string) *appsv1.Deployment {
	t.Helper()
	return find[appsv1.Deployment](t, objects, "Deployment", name)
}

// container returns the webhook's container.
func container(t *testing.T, objects []*unstructured.Unstructured) *corev1.Container {
	t.Helper()
	return &deployment(t, objects, "taffrail").Spec.Template.Spec.Containers[0]
}

// pods returns the Pods of every object with a Pod template.
func pods(t *testing.T, objects []*unstructured.Unstructured) map[string]*corev1.PodSpec {
	t.Helper()
	all := map[string]*corev1.PodSpec{}
	for _, object := range objects {
		switch name := object.GetName(); object.GetKind() {
		case "Deployment":
			all[name] = &deployment(t, objects, name).Spec.Template.Spec
		case "Job":
			all[name] = &find[batchv1.Job](t, objects, "Job", name).Spec.Template.Spec
		case "Pod":
			all[name] = &find[corev1.Pod](t, objects, "Pod", name).Spec
		}
	}
	if len(all) != 4 {
		t.Fatalf("want the webhook, the audit and two hooks, got %d", len(all))
	}
	return all
}

// The requirements of Pod Security's restricted profile, plus a read-only root file system and resources.
func TestEveryPodIsHardened(t *testing.T) {
	h := helm4(t)
	for name, r := range releases() {
		for pod, spec := range pods(t, render(t, h, r)) {
			what := name + ": " + pod
			s := spec.SecurityContext
			if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.RunAsUser == nil || *s.RunAsUser != 65532 ||
				s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
				t.Errorf("%s: %+v", what, s)
			}
			if spec.AutomountServiceAccountToken == nil || !*spec.AutomountServiceAccountToken || spec.ServiceAccountName == "" {
				t.Errorf("%s cannot ask the API server", what)
			}
			for _, c := range spec.Containers {
				s := c.SecurityContext
				if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil ||
					!*s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
					t.Errorf("%s: %+v", what, s)
				}
				for _, list := range []corev1.ResourceList{c.Resources.Requests, c.Resources.Limits} {
					if list.Cpu().IsZero() || list.Memory().IsZero() {
						t.Errorf("%s: resources %+v", what, c.Resources)
					}
				}
				if c.Image != "taffrail.dev/taffrail:0.1.0" {
					t.Errorf("%s: image %s", what, c.Image)
				}
			}
		}
	}
}

// The selectors of the Service, the disruption budget and the anti-affinity match only the Pods that serve.
func TestSelectorsFindTheWebhookAlone(t *testing.T) {
	h := helm4(t)
	objects := render(t, h, release().with(everything...))
	web := deployment(t, objects, "taffrail")
	spread := web.Spec.Template.Spec.TopologySpreadConstraints[0]
	away := web.Spec.Template.Spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution[0].PodAffinityTerm
	selectors := map[string]*metav1.LabelSelector{
		"Deployment":          web.Spec.Selector,
		"PodDisruptionBudget": find[policyv1.PodDisruptionBudget](t, objects, "PodDisruptionBudget", "taffrail").Spec.Selector,
		"NetworkPolicy":       &find[networkingv1.NetworkPolicy](t, objects, "NetworkPolicy", "taffrail").Spec.PodSelector,
		"Service":             {MatchLabels: find[corev1.Service](t, objects, "Service", "taffrail").Spec.Selector},
		"topology spread":     spread.LabelSelector,
		"anti-affinity":       away.LabelSelector,
	}
	others := map[string]map[string]string{
		"selftest": find[corev1.Pod](t, objects, "Pod", "taffrail-selftest").Labels,
		"crds":     find[batchv1.Job](t, objects, "Job", "taffrail-crds").Spec.Template.Labels,
	}
	others["audit"] = deployment(t, objects, "taffrail-audit").Spec.Template.Labels
	for name, s := range selectors {
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil {
			t.Fatal(err)
		}
		if !selector.Matches(labels.Set(web.Spec.Template.Labels)) {
			t.Errorf("%s does not find the webhook", name)
		}
		for other, set := range others {
			if selector.Matches(labels.Set(set)) {
				t.Errorf("%s finds the Pods of %s", name, other)
			}
		}
	}
	if spread.TopologyKey != corev1.LabelTopologyZone || away.TopologyKey != corev1.LabelHostname {
		t.Errorf("spread over %s, apart by %s", spread.TopologyKey, away.TopologyKey)
	}
}

func TestReplicasGoOneByOne(t *testing.T) {
	h := helm4(t)
	objects := render(t, h, release())
	web := deployment(t, objects, "taffrail")
	update := web.Spec.Strategy.RollingUpdate
	if *web.Spec.Replicas != 3 || update.MaxUnavailable.IntValue() != 0 || update.MaxSurge.IntValue() != 1 {
		t.Errorf("%d replicas, %+v", *web.Spec.Replicas, update)
	}
	if got := web.Spec.Template.Spec.PriorityClassName; got != "system-cluster-critical" {
		t.Errorf("priority %q", got)
	}
	budget := find[policyv1.PodDisruptionBudget](t, objects, "PodDisruptionBudget", "taffrail").Spec
	if budget.MaxUnavailable.IntValue() != 1 || *budget.UnhealthyPodEvictionPolicy != policyv1.AlwaysAllow {
		t.Errorf("budget %+v", budget)
	}
}

// The grace period must exceed the hook, --drain-delay and --shutdown-grace together, or the kubelet kills the
// process while it is still deciding requests.
func TestGracePeriodHoldsTheDrain(t *testing.T) {
	h := helm4(t)
	for set, want := range map[string]int64{
		"server.logLevel=info": 31, "server.drainDelay=30s": 56, "server.shutdownGrace=60s": 76, "server.drainDelay=0s": 26,
	} {
		web := deployment(t, render(t, h, release().with(set)), "taffrail")
		if got := *web.Spec.Template.Spec.TerminationGracePeriodSeconds; got != want {
			t.Errorf("%s: %d seconds, want %d", set, got, want)
		}
	}
}

// environment returns the value of a variable of the container, "" if it is not set.
func environment(t *testing.T, h *Helm, set, name string) string {
	t.Helper()
	for _, variable := range container(t, render(t, h, release().with(set))).Env {
		if variable.Name == name {
			return variable.Value
		}
	}
	return ""
}

func TestGoMemLimitIsBelowTheMemoryLimit(t *testing.T) {
	h := helm4(t)
	for set, want := range map[string]string{
		"resources.limits.memory=512Mi":      "429496729",
		"resources.limits.memory=1Gi":        "858993459",
		"resources.limits.memory=700M":       "560000000",
		"resources.limits.memory=1000000000": "800000000",
		"goMemLimit=300MiB":                  "300MiB",
		"resources.limits.memory=null":       "",
	} {
		if got := environment(t, h, set, "GOMEMLIMIT"); got != want {
			t.Errorf("%s: GOMEMLIMIT %q, want %q", set, got, want)
		}
	}
}

// GOGC without GOMEMLIMIT would let the heap grow to whatever the node has.
func TestGOGCIsSetTogetherWithGOMEMLIMIT(t *testing.T) {
	h := helm4(t)
	for set, want := range map[string]string{
		"goGC=400":                      "400",
		"goGC=100":                      "100",
		"goMemLimit=300MiB":             "400",
		"resources.limits.memory=null":  "",
		"resources.limits.memory=512Mi": "400",
	} {
		if got := environment(t, h, set, "GOGC"); got != want {
			t.Errorf("%s: GOGC %q, want %q", set, got, want)
		}
	}
}

// On the host network, two replicas cannot share a node, and a new one needs a free port before it starts.
func TestHostNetwork(t *testing.T) {
	h := helm4(t)
	objects := render(t, h, release("eks", "eks-custom-cni"))
	web := deployment(t, objects, "taffrail").Spec
	if !web.Template.Spec.HostNetwork {
		t.Error("not on the host's network")
	}
	if update := web.Strategy.RollingUpdate; update.MaxUnavailable.IntValue() != 1 || update.MaxSurge.IntValue() != 0 {
		t.Errorf("with as many nodes as replicas an update would wait for ever: %+v", update)
	}
	// The scheduler already separates Pods that use the same host ports. Required anti-affinity would also
	// exclude Pods without them, such as those of a rollback.
	if apart := web.Template.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution; len(apart) > 0 {
		t.Errorf("apart by %+v", apart)
	}
	if ports := web.Template.Spec.Containers[0].Ports; len(ports) != 2 || ports[0].ContainerPort != 9443 || ports[1].ContainerPort != 9444 {
		t.Errorf("the declared ports are %+v", ports)
	}
	args := web.Template.Spec.Containers[0].Args
	if !slices.Contains(args, "--bind-address=:9443") || !slices.Contains(args, "--metrics-bind-address=:9444") {
		t.Errorf("listens at %v", args)
	}
}

// The certificate is either managed by Taffrail, or mounted.
func TestCertificateFlags(t *testing.T) {
	h := helm4(t)
	kept := []string{
		"--service-name=taffrail", "--webhook-configuration=taffrail", "--tls-secret=taffrail-tls", "--certificate-validity=2160h", "--ca-validity=17520h",
	}
	mounted := []string{"--service-name=taffrail", "--webhook-configuration=taffrail", "--tls-cert-file=/etc/taffrail/tls/tls.crt", "--tls-private-key-file=/etc/taffrail/tls/tls.key"}
	for name, want := range map[string]struct {
		flags  []string
		secret string
	}{
		"default": {kept, ""}, "cert-manager": {mounted, "taffrail-cert-manager-tls"}, "existing Secret": {mounted, "serving"},
	} {
		objects := render(t, h, releases()[name])
		var flags []string
		for _, flag := range container(t, objects).Args {
			if slices.Contains(kept, flag) || slices.Contains(mounted, flag) {
				flags = append(flags, flag)
			}
		}
		if !slices.Equal(flags, want.flags) {
			t.Errorf("%s: %v, want %v", name, flags, want.flags)
		}
		secret := ""
		for _, volume := range deployment(t, objects, "taffrail").Spec.Template.Spec.Volumes {
			if volume.Name == "tls" {
				secret = volume.Secret.SecretName
			}
		}
		if secret != want.secret {
			t.Errorf("%s: mounts %q, want %q", name, secret, want.secret)
		}
	}
	empty := find[corev1.Secret](t, render(t, h, release()), "Secret", "taffrail-tls")
	if len(empty.Data)+len(empty.StringData) > 0 || empty.Type != corev1.SecretTypeOpaque {
		t.Errorf("an upgrade would put back what is in the chart's Secret: %+v", empty)
	}
}

// binary returns the path of taffrail, built from this module.
func binary(t *testing.T) string {
	t.Helper()
	if err := harness.Watch(root); err != nil {
		t.Fatal(err)
	}
	built := t.TempDir() + "/taffrail"
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", built, root+"/cmd/taffrail").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return built
}

// The chart complies with the library's own policies.
func TestChartFollowsTaffrailsOwnPolicies(t *testing.T) {
	h := helm4(t)
	taffrail := binary(t)
	for name, r := range releases() {
		rendered, err := h.Template(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		check := exec.CommandContext(t.Context(), taffrail, "check", "--namespace="+r.Namespace, "-o=json", "-")
		check.Stdin = bytes.NewReader(rendered)
		out, err := check.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
			continue
		}
		var report struct {
			Objects []struct {
				Name     string
				Findings []struct{ Policy, Mode, Message string }
			}
		}
		if err := json.Unmarshal(out, &report); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, object := range report.Objects {
			for _, f := range object.Findings {
				// Nobody waits for the audit, and the next Pod begins with what is in the cluster.
				if alone := f.Policy == "min-replicas" && strings.HasSuffix(object.Name, "-audit"); !alone && f.Mode != "audit" {
					t.Errorf("%s: %s: %s: %s", name, object.Name, f.Policy, f.Message)
				}
			}
		}
	}
}

// A Pod with an unknown flag would never start.
func TestBinaryHasEveryFlagAndCommand(t *testing.T) {
	h := helm4(t)
	program := binary(t)
	for name, r := range releases() {
		for pod, spec := range pods(t, render(t, h, r)) {
			// With --help a command parses its flags and does nothing else.
			args := append(slices.Clone(spec.Containers[0].Args), "--help")
			out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
			command := "taffrail " + strings.Join(slices.DeleteFunc(slices.Clone(spec.Containers[0].Args), func(a string) bool { return strings.HasPrefix(a, "-") }), " ")
			if err != nil || !strings.Contains(string(out), command) {
				t.Errorf("%s: %s: %s: %v\n%s", name, pod, strings.Join(args, " "), err, out)
			}
		}
	}
}
