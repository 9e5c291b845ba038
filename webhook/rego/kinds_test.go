package rego_test

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

const everyTemplate = "ReplicaSet.apps, StatefulSet.apps, DaemonSet.apps, Job.batch, ReplicationController"

func names(kinds []schema.GroupKind) string {
	texts := make([]string, len(kinds))
	for i, kind := range kinds {
		texts[i] = kind.String()
	}
	return strings.Join(texts, ", ")
}

func withKinds(name, kinds, body string) string {
	return strings.Replace(user(name, body), "kinds: [ConfigMap]", "kinds: ["+kinds+"]", 1)
}

// braced puts braces around the body of the deny rule, whose lines are indented.
func braced(rules string) string {
	head, body, _ := strings.Cut(rules, " if ")
	lines := strings.SplitAfter(body, "\n")
	end := 1
	for end < len(lines) && strings.HasPrefix(lines[end], "\t") {
		end++
	}
	return "\n" + head + " if {\n\t" + strings.Join(lines[:end], "") + "\n}\n" + strings.Join(lines[end:], "")
}

// A policy that names Pod covers every kind that creates Pods, if its rules work on the Pod in a template. If
// they do not, the Pods that such a kind creates are decided themselves.
func TestKindsAreCompletedWhereTheRulesReadTemplates(t *testing.T) {
	library, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	found := `deny contains {"msg": "m", "path": "p"} if `
	containers := found + "some c in input.containers\n\tc.image.tag == \"\""
	all := everyTemplate + ", Deployment.apps, CronJob.batch"
	for name, test := range map[string]struct {
		kinds, rules         string
		completed, uncovered string
	}{
		"containers":             {"Pod", containers, all, ""},
		"the Pod":                {"Pod", found + "input.workload.pod.spec.hostNetwork", all, ""},
		"some are named":         {"Pod, Deployment.apps, Job.batch", containers, "ReplicaSet.apps, StatefulSet.apps, DaemonSet.apps, ReplicationController, CronJob.batch", ""},
		"all are named":          {"Pod, Deployment.apps, CronJob.batch, " + everyTemplate, containers, "", ""},
		"ReplicaSet":             {"ReplicaSet.apps", containers, "Deployment.apps", ""},
		"Job":                    {"Job.batch", containers, "CronJob.batch", ""},
		"Deployment":             {"Deployment.apps", containers, "", ""},
		"parameters, namespaces": {"Pod", containers + "\n\tnot input.namespace.name in input.parameters.x", all, ""},
		"under another name":     {"Pod", "import input.workload as w\n" + found + "w.pod.spec.hostNetwork", all, ""},
		"as written":             {"Pod]\n#   complete_kinds: false\n#   facts: [", containers, "", everyTemplate},

		"the object":         {"Pod", found + "input.object.spec.hostNetwork", "", everyTemplate},
		"its labels too":     {"Pod", containers + "\n\tnot input.object.metadata.labels.a", "", everyTemplate},
		"an object's copy":   {"Pod", containers + "\n\to := input.object\n\to.spec.hostNetwork", "", everyTemplate},
		"the kind":           {"Pod", containers + "\n\tinput.kind == \"Pod\"", "", everyTemplate},
		"the name":           {"Pod", containers + "\n\tnot startswith(input.name, \"a\")", "", everyTemplate},
		"the user":           {"Pod", containers + "\n\tinput.user.name != \"root\"", "", everyTemplate},
		"the key of a head":  {"Pod", containers + "\n\tx\n\nx[input.object.kind].y := 1", "", everyTemplate},
		"the operation":      {"Pod", containers + "\n\tinput.operation == \"CREATE\"", "", everyTemplate},
		"whether a template": {"Pod", containers + "\n\tnot input.workload.template", "", everyTemplate},
		"the same, renamed":  {"Pod", containers + "\n\tw := input.workload\n\tnot w.template", "", everyTemplate},
		"the same, as text":  {"Pod", containers + "\n\tobject.get(input.workload, \"template\", false) == false", "", everyTemplate},
		"any of it":          {"Pod", containers + "\n\tsome k in [\"object\"]\n\tinput[k].spec.hostNetwork", "", everyTemplate},
		"all of it":          {"Pod", containers + "\n\tobject.get(input, [\"object\", \"spec\", \"hostNetwork\"], false)", "", everyTemplate},
		"an import":          {"Pod", "import input.object as o\n\n" + containers + "\n\to.spec.hostNetwork", "", everyTemplate},
		"owners, by helper":  {"Pod", "import data.taffrail.lib.owners\n\n" + containers + "\n\tnot owners.controlled", "", everyTemplate},
		"in a function":      {"Pod", found + "f(1)\n\nf(x) if {\n\tx == 1\n\tinput.object.spec.hostNetwork\n}", "", everyTemplate},
		"in a head":          {"Pod", containers + "\n\tx.spec.hostNetwork\n\nx := input.object", "", everyTemplate},
		"some named":         {"Pod, Deployment.apps, DaemonSet.apps", found + "input.object.spec.hostNetwork", "", "ReplicaSet.apps, StatefulSet.apps, Job.batch, ReplicationController"},
		"all named":          {"Pod, Deployment.apps, CronJob.batch, " + everyTemplate, found + "input.object.spec.hostNetwork", "", ""},
		"claims":             {"PersistentVolumeClaim", found + "input.object.spec.volumeName == \"\"", "", "StatefulSet.apps, Pod"},
		"of bare Pods":       {"Pod]\n#   ignores_controlled: true\n#   facts: [", found + "input.object.spec.hostNetwork", "", ""},
		"nothing made":       {"Service, ConfigMap", found + "input.object.spec.type == \"NodePort\"", "", ""},
	} {
		source := withKinds("own", test.kinds, "import future.keywords.not\n"+braced(test.rules))
		catalog, bad := library.With(map[string]string{"own": source})
		if len(bad) > 0 {
			t.Errorf("%s: %v", name, bad)
			continue
		}
		policy, _ := catalog.Policy("own")
		if got := names(policy.Completed); got != test.completed {
			t.Errorf("%s: completed by %q, want %q", name, got, test.completed)
		}
		uncovered := ""
		for _, u := range policy.Uncovered() {
			uncovered += names(u.From)
		}
		if uncovered != test.uncovered {
			t.Errorf("%s: uncovered is %q, want %q", name, uncovered, test.uncovered)
		}
		for _, kind := range policy.Completed {
			if !slices.Contains(policy.Kinds, kind) {
				t.Errorf("%s: it is not about %s", name, kind)
			}
		}
		if notes, covered := policy.KindNotes(); covered != (uncovered == "" && len(policy.Undecided()) == 0) || covered && len(notes) > 0 && test.completed == "" {
			t.Errorf("%s: covered is %v: %q", name, covered, notes)
		}
	}
}

// If a policy names only some of the kinds that carry Pods, the others do not have to satisfy it. That is
// reported, and not changed, because only the author knows whether it is intended.
func TestKindsThatAreLeftOutAreNamed(t *testing.T) {
	catalog := userLibrary(t)
	found := `deny contains {"msg": "m", "path": "p"} if `
	for name, test := range map[string]struct{ kinds, rules, want string }{
		"containers":       {"Deployment.apps, StatefulSet.apps", found + "some c in input.containers\n\tc.name == \"x\"", "Pod, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Job.batch, CronJob.batch"},
		"only replicas":    {"Deployment.apps", found + "input.workload.replicas < 2", ""},
		"not the Pods":     {"Deployment.apps", found + "input.object.spec.replicas < 2", ""},
		"every Pod":        {"Pod", found + "some c in input.containers\n\tc.name == \"x\"", ""},
		"something else":   {"Service", found + "input.object.spec.type == \"NodePort\"", ""},
		"Pods as they are": {"Pod", found + "some c in input.containers\n\tc.name == \"x\"\n\tinput.object.spec.hostNetwork", ""},
		"Pods as written":  {"Pod", found + "input.object.spec.hostNetwork", ""},
	} {
		more, bad := catalog.With(map[string]string{"own": withKinds("own", test.kinds, braced(test.rules))})
		if len(bad) > 0 {
			t.Fatalf("%s: %v", name, bad)
		}
		policy, _ := more.Policy("own")
		if got := names(policy.Undecided()); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// The library names its kinds in full.
func TestTheLibraryCoversEveryKindThatPodsAreMadeFrom(t *testing.T) {
	library, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, policy := range library.Policies() {
		if uncovered := policy.Uncovered(); len(uncovered) > 0 {
			t.Errorf("%s: %+v", policy.ID, uncovered)
		}
		if slices.Contains(policy.Kinds, decision.PodKinds()[0]) && len(policy.Completed) > 0 {
			t.Errorf("%s is completed: %v", policy.ID, policy.Completed)
		}
	}
}
