package configcheck_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
)

// ownPolicy returns a user's Policy about Deployments, with additional METADATA and a rule.
func ownPolicy(name, metadata, rule string) *v1alpha1.Policy {
	kinds := "  kinds: [Deployment.apps]\n"
	if strings.Contains(metadata, "kinds: ") {
		kinds = ""
	}
	text := "title: A title\ndescription: A description.\ncustom:\n  id: " + name + "\n  severity: high\n" + kinds + "  remediation: Do it.\n" + metadata
	header := "# METADATA\n"
	for line := range strings.Lines(text) {
		header += "# " + line
	}
	return &v1alpha1.Policy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.PolicySpec{
		Rego: header + "package taffrail.user." + strings.ReplaceAll(name, "-", "_") + "\n\n" + rule + "\n",
	}}
}

// parameter returns METADATA that declares a number.
func parameter(name string) string {
	return "  parameters:\n    type: object\n    properties:\n      " + name + ": {type: integer, description: A number., default: 3}\n"
}

const (
	plainRule = `deny contains {"msg": "m", "path": "p"} if input.object.spec.replicas == 7`
	podRule   = `deny contains {"msg": "m", "path": "p"} if input.workload.pod.spec.hostNetwork`
	ownRule   = podRule + "\n\n" + `deny contains {"msg": "m", "path": "p"} if input.object.spec.replicas == 7`
)

func TestCheckTellsWhatAPolicyBreaks(t *testing.T) {
	broken := `deny contains {"msg": "m"} if nothing_of_the_kind`
	stored := config.Objects{
		Policies: []v1alpha1.Policy{*ownPolicy("own", parameter("most"), plainRule), *ownPolicy("wrong", "", broken)},
		Guardrails: []v1alpha1.Guardrail{
			*enforcing("binds", binding("own", `{"most": 4}`)), *enforcing("defaults", binding("own", "")),
			*enforcing("others", binding("image-tag", `{"gone": 1}`)), *enforcing("no-map", binding("own", `[]`)),
		},
	}
	for name, c := range map[string]struct {
		p, before        *v1alpha1.Policy
		faults, warnings string // prefixes, one per line
	}{
		"a new one":           {ownPolicy("new", "", plainRule), nil, "", ""},
		"the same parameters": {ownPolicy("own", parameter("most"), podRule), &stored.Policies[0], "", "kinds: it does not apply to "},
		"other parameters": {
			ownPolicy("own", parameter("least"), plainRule), &stored.Policies[0],
			"", `Guardrail binds will not be in force: spec.policies[0].parameters`,
		},
		"one that does not compile": {ownPolicy("new", "", broken), nil, "spec.rego: ", ""},
		"one that did not compile":  {ownPolicy("wrong", "", broken+"\n\n# Still."), &stored.Policies[1], "", "existing error: spec.rego: "},
	} {
		var before config.Object
		if c.before != nil {
			before = c.before
		}
		faults, warnings := (&configured{objects: stored}).faultsOf(t, written(t, c.p, before))
		if !beginsAs(faults, c.faults) || !beginsAs(warnings, c.warnings) {
			t.Errorf("%s: got %q, and the warnings %q", name, faults, warnings)
		}
	}
}

// beginsAs reports whether text is a single line with the given prefix, or empty if the prefix is.
func beginsAs(text, beginning string) bool {
	return strings.HasPrefix(text, beginning) && (beginning == "") == (text == "") && !strings.Contains(text, "\n")
}

// The author of a Policy is warned which kinds it covers beyond its METADATA and which it does not; whoever
// binds it, which it does not.
func TestCheckTellsTheKindsOfAPolicy(t *testing.T) {
	const uncovered = "a Pod created from ReplicaSet.apps, StatefulSet.apps, DaemonSet.apps, Job.batch, ReplicationController is decided only when it is created"
	for name, c := range map[string]struct {
		kinds, rule string
		own, bound  string
	}{
		"about Deployments themselves": {"Deployment.apps", plainRule, "", ""},
		"about Pods in Deployments": {
			"Deployment.apps", podRule,
			"kinds: it does not apply to Pod, StatefulSet.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Job.batch, CronJob.batch", "",
		},
		"about Pods in any template": {
			"Pod", podRule,
			"kinds: it also applies to ReplicaSet.apps, StatefulSet.apps, DaemonSet.apps, Job.batch, ReplicationController, Deployment.apps, CronJob.batch", "",
		},
		"about Pods alone": {"Pod", ownRule, "kinds: " + uncovered, "own: " + uncovered},
	} {
		p := ownPolicy("own", "  kinds: ["+c.kinds+"]\n"+parameter("most"), c.rule)
		if faults, warnings := (&configured{}).faultsOf(t, written(t, p, nil)); faults != "" || warnings != c.own {
			t.Errorf("%s: got %q, and the warnings %q", name, faults, warnings)
		}
		stored := &configured{objects: config.Objects{Policies: []v1alpha1.Policy{*p}}}
		g := enforcing("g", binding("no-bare-pod", ""), binding("own", ""), binding("own", `{"most": 7}`))
		if faults, warnings := stored.faultsOf(t, written(t, g, nil)); faults != "" || warnings != c.bound {
			t.Errorf("%s, bound: got %q, and the warnings %q", name, faults, warnings)
		}
	}
}
