package pipeline

import (
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
)

func TestMirrorPods(t *testing.T) {
	type pod struct {
		user   decision.User
		owners []any
		marked bool
	}
	node := func(name string) decision.User {
		return decision.User{Name: "system:node:" + name, Groups: []string{"system:nodes", "system:authenticated"}}
	}
	owner := func(name string) any { return map[string]any{"kind": "Node", "name": name} }
	for name, test := range map[string]struct {
		pod  pod
		want decision.Verdict
	}{
		"the node's own":        {pod{node("n1"), []any{owner("n1")}, true}, decision.VerdictAllow},
		"not marked":            {pod{node("n1"), []any{owner("n1")}, false}, decision.VerdictDeny},
		"another node's":        {pod{node("n1"), []any{owner("n2")}, true}, decision.VerdictDeny},
		"two owners":            {pod{node("n1"), []any{owner("n1"), owner("n2")}, true}, decision.VerdictDeny},
		"nobody's":              {pod{node("n1"), nil, true}, decision.VerdictDeny},
		"not of the nodes":      {pod{decision.User{Name: "system:node:n1"}, []any{owner("n1")}, true}, decision.VerdictDeny},
		"a person who pretends": {pod{decision.User{Name: "alice", Groups: []string{"system:nodes"}}, []any{owner("n1")}, true}, decision.VerdictDeny},
	} {
		metadata := map[string]any{"ownerReferences": test.pod.owners}
		if test.pod.marked {
			metadata["annotations"] = map[string]any{"kubernetes.io/config.mirror": "hash"}
		}
		r := &decision.Request{Kind: podKind(), User: test.pod.user, Operation: decision.Create, Object: map[string]any{"metadata": metadata}}
		if d := decideOn(t, evidenceOf(t, r, asked{guardrail: "g", mode: decision.ModeEnforce, result: violation("k")})); d.Verdict != test.want {
			t.Errorf("%s: got %v", name, d.Verdict)
		}
	}
}

// What the control plane writes is never denied; each component is trusted only with what it writes.
func TestTrustOfTheControlPlane(t *testing.T) {
	kind := func(group, kind string) schema.GroupVersionKind {
		return schema.GroupVersionKind{Group: group, Version: "v1", Kind: kind}
	}
	deployments, claims, configMaps, services := kind("apps", "Deployment"), kind("", "PersistentVolumeClaim"), kind("", "ConfigMap"), kind("", "Service")
	for name, test := range map[string]struct {
		kind schema.GroupVersionKind
		user decision.User
		want decision.Verdict
	}{
		"a rollback by annotation":     {deployments, sa("deployment-controller"), decision.VerdictAllow},
		"a Deployment by another":      {deployments, sa("replicaset-controller"), decision.VerdictDeny},
		"a set's claim":                {claims, sa("statefulset-controller"), decision.VerdictAllow},
		"an ephemeral volume's claim":  {claims, sa("ephemeral-volume-controller"), decision.VerdictAllow},
		"a claim that is bound":        {claims, sa("persistent-volume-binder"), decision.VerdictAllow},
		"a claim that is scheduled":    {claims, decision.User{Name: "system:kube-scheduler"}, decision.VerdictAllow},
		"a Pod by the scheduler":       {podKind(), decision.User{Name: "system:kube-scheduler"}, decision.VerdictDeny},
		"a claim by another":           {claims, sa("deployment-controller"), decision.VerdictDeny},
		"the cluster's CA":             {configMaps, sa("root-ca-cert-publisher"), decision.VerdictAllow},
		"a ConfigMap by another":       {configMaps, sa("job-controller"), decision.VerdictDeny},
		"the API server's own Service": {services, decision.User{Name: "system:apiserver"}, decision.VerdictAllow},
		"a Service by a person":        {services, decision.User{Name: "apiserver"}, decision.VerdictDeny},
		"a StatefulSet":                {kind("apps", "StatefulSet"), sa("statefulset-controller"), decision.VerdictDeny},
		"a kind of the same name":      {kind("example.com", "Deployment"), sa("deployment-controller"), decision.VerdictDeny},
	} {
		r := &decision.Request{Kind: test.kind, User: test.user, Operation: decision.Update}
		if d := decideOn(t, evidenceOf(t, r, asked{guardrail: "g", mode: decision.ModeEnforce, result: violation("k")})); d.Verdict != test.want {
			t.Errorf("%s: got %v", name, d.Verdict)
		}
	}
}

// Restored fields are tolerated one by one, and looked up only if that matters.
func TestWhatIsRestoredIsTolerated(t *testing.T) {
	before := func() (restored, error) {
		return restored{why: "as before", has: func(path string) bool { return path == "spec.template" }}, nil
	}
	for name, test := range map[string]struct {
		path     string
		existing v1alpha1.Existing
		want     decision.Verdict
	}{
		"the field":              {"spec.template", v1alpha1.ExistingTolerate, decision.VerdictWarn},
		"whatever exists":        {"spec.template", v1alpha1.ExistingEnforce, decision.VerdictWarn},
		"another field":          {"spec.replicas", v1alpha1.ExistingTolerate, decision.VerdictDeny},
		"another field, by rule": {"spec.replicas", v1alpha1.ExistingEnforce, decision.VerdictDeny},
	} {
		e := evidenceOf(t, service(decision.Update), asked{guardrail: "g", mode: decision.ModeEnforce, result: violation(test.path), existing: test.existing})
		e.restored = before
		if d := decideOn(t, e); d.Verdict != test.want || (d.Findings[0].Tolerated == "as before") != (test.want == decision.VerdictWarn) {
			t.Errorf("%s: got %+v", name, d)
		}
	}

	e := evidenceOf(t, service(decision.Update),
		asked{guardrail: "g", mode: decision.ModeEnforce, result: violation("spec.replicas")},
		asked{guardrail: "g", mode: decision.ModeWarn, result: violation("spec.template")})
	e.restored = before
	if d := decideOn(t, e); d.Findings[1].Tolerated != "" {
		t.Errorf("what only warns needs no tolerance, but got %+v", d.Findings)
	}

	e = evidenceOf(t, service(decision.Update), asked{guardrail: "g", mode: decision.ModeEnforce, result: violation("k")})
	broken := errors.New("broken")
	e.restored = func() (restored, error) { return restored{}, broken }
	if _, err := e.decide(); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	updates(&e, violation("k"))
	if d := decideOn(t, e); d.Verdict != decision.VerdictWarn {
		t.Errorf("what the stored object has needs no look at the cluster, but got %v", d.Verdict)
	}
}

func TestOnlyWhatIsAboutAFieldCounts(t *testing.T) {
	for path, want := range map[string]decision.Verdict{
		"spec.template": decision.VerdictDeny, "spec.template.spec": decision.VerdictDeny,
		"spec.templates": decision.VerdictAllow, "spec": decision.VerdictAllow, "metadata.labels": decision.VerdictAllow,
	} {
		e := evidenceOf(t, service(decision.Create), asked{guardrail: "g", mode: decision.ModeEnforce, result: violation(path)})
		e.only = "spec.template"
		if d := decideOn(t, e); d.Verdict != want {
			t.Errorf("%s: got %v", path, d.Verdict)
		}
	}
}

// A controller is trusted with an object that it creates from a template only if the binding covers the kinds
// with that template.
func TestTrustNeedsTheKindThatCarriesTheTemplate(t *testing.T) {
	kinds := func(names ...string) (all []schema.GroupKind) {
		for _, name := range names {
			all = append(all, schema.ParseGroupKind(name))
		}
		return all
	}
	gvk := func(name string) schema.GroupVersionKind { return schema.ParseGroupKind(name).WithVersion("v1") }
	manager := decision.User{Name: "system:kube-controller-manager"}
	for name, test := range map[string]struct {
		kind      string
		user      decision.User
		operation decision.Operation
		owner     string
		kinds     []schema.GroupKind
		path      string
		want      decision.Verdict
	}{
		"a ReplicaSet's Pod":              {"Pod", sa("replicaset-controller"), decision.Create, "", kinds("Pod", "ReplicaSet.apps"), "k", decision.VerdictAllow},
		"its kind is left out":            {"Pod", sa("replicaset-controller"), decision.Create, "", kinds("Pod", "Deployment.apps"), "k", decision.VerdictDeny},
		"only Pods":                       {"Pod", sa("job-controller"), decision.Create, "", kinds("Pod"), "k", decision.VerdictDeny},
		"a Job's Pod":                     {"Pod", sa("job-controller"), decision.Create, "", kinds("Pod", "Job.batch"), "k", decision.VerdictAllow},
		"a StatefulSet's Pod":             {"Pod", sa("statefulset-controller"), decision.Create, "", kinds("Pod", "StatefulSet.apps"), "k", decision.VerdictAllow},
		"a DaemonSet's Pod":               {"Pod", sa("daemon-set-controller"), decision.Create, "", kinds("Pod", "DaemonSet.apps"), "k", decision.VerdictAllow},
		"a ReplicationController's":       {"Pod", sa("replication-controller"), decision.Create, "", kinds("Pod", "ReplicationController"), "k", decision.VerdictAllow},
		"without ReplicationController":   {"Pod", sa("replication-controller"), decision.Create, "", kinds("Pod", "ReplicaSet.apps"), "k", decision.VerdictDeny},
		"a Deployment's ReplicaSet":       {"ReplicaSet.apps", sa("deployment-controller"), decision.Create, "", kinds("ReplicaSet.apps", "Deployment.apps"), "k", decision.VerdictAllow},
		"of an undecided Deployment":      {"ReplicaSet.apps", sa("deployment-controller"), decision.Create, "", kinds("ReplicaSet.apps"), "k", decision.VerdictDeny},
		"it is scaled":                    {"ReplicaSet.apps", sa("deployment-controller"), decision.Update, "", kinds("ReplicaSet.apps"), "k", decision.VerdictAllow},
		"a CronJob's Job":                 {"Job.batch", sa("cronjob-controller"), decision.Create, "", kinds("Job.batch", "CronJob.batch"), "k", decision.VerdictAllow},
		"of an undecided CronJob":         {"Job.batch", sa("cronjob-controller"), decision.Create, "", kinds("Job.batch"), "k", decision.VerdictDeny},
		"a set's claim":                   {"PersistentVolumeClaim", sa("statefulset-controller"), decision.Create, "", kinds("PersistentVolumeClaim", "StatefulSet.apps"), "k", decision.VerdictAllow},
		"only claims":                     {"PersistentVolumeClaim", sa("statefulset-controller"), decision.Create, "", kinds("PersistentVolumeClaim"), "k", decision.VerdictDeny},
		"an ephemeral volume's claim":     {"PersistentVolumeClaim", sa("ephemeral-volume-controller"), decision.Create, "", kinds("PersistentVolumeClaim", "Pod"), "k", decision.VerdictAllow},
		"without Pods":                    {"PersistentVolumeClaim", sa("ephemeral-volume-controller"), decision.Create, "", kinds("PersistentVolumeClaim", "StatefulSet.apps"), "k", decision.VerdictDeny},
		"a claim is bound":                {"PersistentVolumeClaim", sa("persistent-volume-binder"), decision.Update, "", kinds("PersistentVolumeClaim"), "k", decision.VerdictAllow},
		"a rollback, of the template":     {"Deployment.apps", sa("deployment-controller"), decision.Update, "", kinds("Deployment.apps"), "spec.template.spec", decision.VerdictDeny},
		"a rollback, all of it":           {"Deployment.apps", sa("deployment-controller"), decision.Update, "", kinds("Deployment.apps"), "spec", decision.VerdictDeny},
		"a rollback, of anything else":    {"Deployment.apps", sa("deployment-controller"), decision.Update, "", kinds("Deployment.apps"), "spec.replicas", decision.VerdictAllow},
		"a rollback to what is decided":   {"Deployment.apps", sa("deployment-controller"), decision.Update, "", kinds("Deployment.apps", "ReplicaSet.apps"), "spec.template.spec", decision.VerdictAllow},
		"one user for all, a Job's":       {"Pod", manager, decision.Create, "Job.batch", kinds("Pod", "Job.batch"), "k", decision.VerdictAllow},
		"one user, another owner's":       {"Pod", manager, decision.Create, "ReplicaSet.apps", kinds("Pod", "Job.batch"), "k", decision.VerdictDeny},
		"one user, no owner":              {"Pod", manager, decision.Create, "", kinds("Pod", "Job.batch"), "k", decision.VerdictDeny},
		"one user, an unknown owner":      {"Pod", manager, decision.Create, "Thing.example.com", kinds("Pod", "Job.batch"), "k", decision.VerdictDeny},
		"one user, no owner, all decided": {"Pod", manager, decision.Create, "", decision.PodKinds(), "k", decision.VerdictAllow},
		"one user, a volume's claim":      {"PersistentVolumeClaim", manager, decision.Create, "Pod", kinds("PersistentVolumeClaim", "Pod"), "k", decision.VerdictAllow},
		"one user, a set's claim":         {"PersistentVolumeClaim", manager, decision.Create, "", kinds("PersistentVolumeClaim", "Pod"), "k", decision.VerdictDeny},
		"one user, a claim is bound":      {"PersistentVolumeClaim", manager, decision.Update, "", kinds("PersistentVolumeClaim"), "k", decision.VerdictAllow},
	} {
		metadata := map[string]any{}
		if test.owner != "" {
			owner := gvk(test.owner)
			metadata["ownerReferences"] = []any{
				map[string]any{"apiVersion": "v1", "kind": "Node"},
				map[string]any{"apiVersion": owner.GroupVersion().String(), "kind": owner.Kind, "controller": true},
			}
		}
		r := &decision.Request{
			Kind: gvk(test.kind), User: test.user, Operation: test.operation, Object: map[string]any{"metadata": metadata},
			Workload: &decision.Workload{PodPath: "spec.template"},
		}
		a := asked{guardrail: "g", mode: decision.ModeEnforce, result: violation(test.path), kinds: test.kinds}
		d := decideOn(t, evidenceOf(t, r, a))
		if d.Verdict != test.want {
			t.Errorf("%s: got %v", name, d.Verdict)
		}
		// Denials are counted before they are enforced.
		a.mode = decision.ModeAudit
		if d := decideOn(t, evidenceOf(t, r, a)); d.Findings[0].WouldDeny != (test.want == decision.VerdictDeny) {
			t.Errorf("%s: under audit, WouldDeny is %v", name, d.Findings[0].WouldDeny)
		}
	}
}
