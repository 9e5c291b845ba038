package chart

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"taffrail.dev/webhook/reach"
)

func entryNames(all []webhook) (names []string) {
	for _, w := range all {
		names = append(names, strings.TrimSuffix(w.Name, ".taffrail.dev"))
	}
	return names
}

// METADATA determines which policies are about the kinds of which entry.
func TestEntriesFollowTheLibrary(t *testing.T) {
	made := exec.CommandContext(t.Context(), "go", "run", "./test/chart/entries")
	made.Dir = root
	want, err := made.Output()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(chartDir + "/files/entries.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Error("files/entries.json is not what the library makes it: run make generate")
	}
}

// An entry whose kinds no bound policy covers is omitted. If the chart cannot know what is bound, all entries
// are included.
func TestNoEntryForWhatNobodyBinds(t *testing.T) {
	h := helm4(t)
	everything := []string{
		"mutate", "validate", "services.validate", "secrets.validate", "configmaps.validate", "metadata.validate", "namespaces.validate", "relax", "config",
		"exemptions",
	}
	with := func(values string) Release {
		r := release().with("guardrails.restricted=null")
		r.Values = "guardrails: {chapter: {mode: enforce, policies: [" + values + "]}}"
		return r
	}
	for name, test := range map[string]struct {
		release Release
		want    []string
	}{
		"the default":       {release(), everything},
		"no Guardrail":      {release().with("guardrails.chapter=null", "guardrails.restricted=null"), everything},
		"a policy of yours": {with("{name: our-own}"), everything},
		"probes":            {with("{name: require-probes}"), []string{"validate", "metadata.validate", "relax", "config", "exemptions"}},
		"injection":         {with("{name: inject-resources}"), []string{"mutate", "validate", "metadata.validate", "relax", "config", "exemptions"}},
		"secrets":           {with("{name: plaintext-secret}"), []string{"secrets.validate", "metadata.validate", "relax", "config", "exemptions"}},
		"what is asked for": {with("{name: plaintext-secret}").with("webhooks.configMaps.enabled=true", "webhooks.metadata.enabled=false"), []string{"secrets.validate", "configmaps.validate", "relax", "config", "exemptions"}},
	} {
		all, _ := entries(t, render(t, h, test.release), "taffrail")
		if got := entryNames(all); !slices.Equal(got, test.want) {
			t.Errorf("%s: entries %v, want %v", name, got, test.want)
		}
	}
}

// Each entry has its own failurePolicy and timeout. The preset for EKS sets Fail for workloads, and for nothing
// else that people or controllers write.
func TestEntriesAreClosedOneByOne(t *testing.T) {
	h := helm4(t)
	closed := func(r Release) (names []string) {
		all, _ := entries(t, render(t, h, r), "taffrail")
		for _, w := range all {
			if w.FailurePolicy == admissionregistrationv1.Fail {
				names = append(names, strings.TrimSuffix(w.Name, ".taffrail.dev"))
			}
		}
		return names
	}
	for name, test := range map[string]struct {
		release Release
		want    []string
	}{
		"eks":            {release("eks"), []string{"validate", "relax", "exemptions"}},
		"eks, Secrets":   {release("eks").with("webhooks.secrets.failurePolicy=Fail"), []string{"validate", "secrets.validate", "relax", "exemptions"}},
		"eks, opened":    {release("eks").with("failurePolicy=Ignore"), []string{"relax", "exemptions"}},
		"workloads only": {release().with("maxMode=enforce", "webhooks.workloads.failurePolicy=Fail"), []string{"validate", "relax", "exemptions"}},
		"all":            {release().with("maxMode=enforce", "failurePolicy=Fail"), []string{"validate", "services.validate", "secrets.validate", "configmaps.validate", "relax", "exemptions"}},
		"warn":           {release().with("maxMode=warn", "webhooks.secrets.failurePolicy=Fail"), nil},
	} {
		if got := closed(test.release); !slices.Equal(got, test.want) {
			t.Errorf("%s: closed %v, want %v", name, got, test.want)
		}
	}
	c := find[admissionregistrationv1.ValidatingWebhookConfiguration](t, render(t, h, release().with("webhooks.secrets.timeoutSeconds=2")), "ValidatingWebhookConfiguration", "taffrail")
	for _, w := range c.Webhooks {
		if (w.Name == "secrets.validate.taffrail.dev") != (*w.TimeoutSeconds == 2) {
			t.Errorf("%s waits for %d seconds", w.Name, *w.TimeoutSeconds)
		}
	}
	// The requirements for Fail also apply to a single entry.
	if _, err := h.Template(t.Context(), release().with("webhooks.secrets.failurePolicy=Fail", "replicas=1")); err == nil || !strings.Contains(err.Error(), "failurePolicy Fail with replicas 1") {
		t.Errorf("one replica and a closed entry: %v", err)
	}
}

// The kinds in extraKinds get an entry, and Taffrail may list them and nothing else.
func TestExtraKinds(t *testing.T) {
	h := helm4(t)
	r := release("eks")
	r.Values = `extraKinds:
- {group: networking.k8s.io, versions: [v1], resources: [ingresses, ingresses/status]}
- {group: example.com, versions: [v1, v2], resources: [fleets], scope: Cluster, operations: [CREATE]}`
	objects := render(t, h, r)
	all, _ := entries(t, objects, "taffrail")
	at := slices.IndexFunc(all, func(w webhook) bool { return w.Name == "extra.validate.taffrail.dev" })
	if at < 0 {
		t.Fatal("no entry")
	}
	extra := all[at]
	if len(extra.Rules) != 2 || !slices.Equal(extra.Rules[0].Resources, []string{"ingresses"}) || *extra.Rules[1].Scope != "Cluster" ||
		len(extra.Rules[1].Operations) != 1 || extra.FailurePolicy != admissionregistrationv1.Ignore || len(extra.MatchConditions) != 3 {
		t.Errorf("%+v", extra)
	}
	at = slices.IndexFunc(all, func(w webhook) bool { return w.Name == "metadata.validate.taffrail.dev" })
	if last := all[at].Rules[len(all[at].Rules)-1]; !slices.Equal(last.Resources, []string{"ingresses/status"}) || len(last.Operations) != 1 {
		t.Errorf("%+v", last)
	}
	var lists int
	for _, rule := range find[rbacv1.ClusterRole](t, objects, "ClusterRole", "taffrail").Rules {
		if slices.Contains(rule.Resources, "ingresses") || slices.Contains(rule.Resources, "fleets") {
			lists++
			if !slices.Equal(rule.Verbs, []string{"list"}) || len(rule.Resources) != 1 {
				t.Errorf("%+v", rule)
			}
		}
	}
	if lists != 2 {
		t.Errorf("%d rights for two kinds", lists)
	}
	for extraKinds, want := range map[string]string{
		`[{group: "", versions: [v1], resources: [pods]}]`:                                                      "extraKinds names pods, which has an entry of its own",
		`[{group: admissionregistration.k8s.io, versions: [v1], resources: [validatingwebhookconfigurations]}]`: "what switches Taffrail off must not wait for it",
		`[{group: taffrail.dev, versions: [v1alpha1], resources: [guardrails]}]`:                                "what switches Taffrail off must not wait for it",
		`[{group: "", versions: [v1], resources: ["*"]}]`:                                                       "does not match pattern",
		`[{group: networking.k8s.io, versions: [v1], resources: [ingresses], operations: [DELETE]}]`:            "operations",
	} {
		r := release()
		r.Values = "extraKinds: " + extraKinds
		if _, err := h.Template(t.Context(), r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", extraKinds, err)
		}
	}
}

// The condition Reached understands exactly the chart's own matchConditions.
func TestReachKnowsEveryCondition(t *testing.T) {
	h := helm4(t)
	known := map[string]string{}
	for _, c := range reach.Conditions() {
		known[c.Name] = strings.NewReplacer("NAMESPACE", "taffrail-system", "ACCOUNT", "taffrail").Replace(c.Expression)
	}
	used := map[string]bool{}
	all, _ := entries(t, render(t, h, release("eks")), "taffrail")
	for _, w := range all {
		if slices.Contains([]string{"relax.taffrail.dev", "config.taffrail.dev", "exemptions.taffrail.dev"}, w.Name) {
			continue
		}
		for _, c := range w.MatchConditions {
			used[c.Name] = true
			if got := strings.Join(strings.Fields(c.Expression), " "); got != known[c.Name] {
				t.Errorf("%s: %s is\n%s\nand known as\n%s", w.Name, c.Name, got, known[c.Name])
			}
		}
	}
	if len(used) != len(known) {
		t.Errorf("known %d, used %d", len(known), len(used))
	}
}
