package guardrail_test

import (
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/guardrail"
	"taffrail.dev/webhook/review"
)

func TestMirrorPods(t *testing.T) {
	type pod struct {
		user   review.User
		owners []any
		marked bool
	}
	node := func(name string) review.User {
		return review.User{Name: "system:node:" + name, Groups: []string{"system:nodes", "system:authenticated"}}
	}
	owner := func(name string) any { return map[string]any{"kind": "Node", "name": name} }
	for name, test := range map[string]struct {
		pod  pod
		want review.Verdict
	}{
		"the node's own":        {pod{node("n1"), []any{owner("n1")}, true}, review.VerdictAllow},
		"not marked":            {pod{node("n1"), []any{owner("n1")}, false}, review.VerdictDeny},
		"another node's":        {pod{node("n1"), []any{owner("n2")}, true}, review.VerdictDeny},
		"two owners":            {pod{node("n1"), []any{owner("n1"), owner("n2")}, true}, review.VerdictDeny},
		"nobody's":              {pod{node("n1"), nil, true}, review.VerdictDeny},
		"not of the nodes":      {pod{review.User{Name: "system:node:n1"}, []any{owner("n1")}, true}, review.VerdictDeny},
		"a person who pretends": {pod{review.User{Name: "alice", Groups: []string{"system:nodes"}}, []any{owner("n1")}, true}, review.VerdictDeny},
	} {
		metadata := map[string]any{"ownerReferences": test.pod.owners}
		if test.pod.marked {
			metadata["annotations"] = map[string]any{"kubernetes.io/config.mirror": "hash"}
		}
		r := &review.Request{Kind: pods(), User: test.pod.user, Operation: review.Create, Object: map[string]any{"metadata": metadata}}
		if d := decide(t, evidence(t, r, asked{guardrail: "g", mode: review.ModeEnforce, result: violation("k")})); d.Verdict != test.want {
			t.Errorf("%s: got %v", name, d.Verdict)
		}
	}
}

// What the control plane writes is never denied, each part in what it writes and no more.
func TestTrustOfTheControlPlane(t *testing.T) {
	kind := func(group, kind string) schema.GroupVersionKind {
		return schema.GroupVersionKind{Group: group, Version: "v1", Kind: kind}
	}
	deployments, claims, configMaps, services := kind("apps", "Deployment"), kind("", "PersistentVolumeClaim"), kind("", "ConfigMap"), kind("", "Service")
	for name, test := range map[string]struct {
		kind schema.GroupVersionKind
		user review.User
		want review.Verdict
	}{
		"a rollback by annotation":     {deployments, sa("deployment-controller"), review.VerdictAllow},
		"a Deployment by another":      {deployments, sa("replicaset-controller"), review.VerdictDeny},
		"a set's claim":                {claims, sa("statefulset-controller"), review.VerdictAllow},
		"an ephemeral volume's claim":  {claims, sa("ephemeral-volume-controller"), review.VerdictAllow},
		"a claim that is bound":        {claims, sa("persistent-volume-binder"), review.VerdictAllow},
		"a claim that is scheduled":    {claims, review.User{Name: "system:kube-scheduler"}, review.VerdictAllow},
		"a Pod by the scheduler":       {pods(), review.User{Name: "system:kube-scheduler"}, review.VerdictDeny},
		"a claim by another":           {claims, sa("deployment-controller"), review.VerdictDeny},
		"the cluster's CA":             {configMaps, sa("root-ca-cert-publisher"), review.VerdictAllow},
		"a ConfigMap by another":       {configMaps, sa("job-controller"), review.VerdictDeny},
		"the API server's own Service": {services, review.User{Name: "system:apiserver"}, review.VerdictAllow},
		"a Service by a person":        {services, review.User{Name: "apiserver"}, review.VerdictDeny},
		"a StatefulSet":                {kind("apps", "StatefulSet"), sa("statefulset-controller"), review.VerdictDeny},
		"a kind of the same name":      {kind("example.com", "Deployment"), sa("deployment-controller"), review.VerdictDeny},
	} {
		r := &review.Request{Kind: test.kind, User: test.user, Operation: review.Update}
		if d := decide(t, evidence(t, r, asked{guardrail: "g", mode: review.ModeEnforce, result: violation("k")})); d.Verdict != test.want {
			t.Errorf("%s: got %v", name, d.Verdict)
		}
	}
}

// What is restored is tolerated, field by field, and asked for only where it matters.
func TestWhatIsRestoredIsTolerated(t *testing.T) {
	restored := func() (guardrail.Restored, error) {
		return guardrail.Restored{Why: "as before", Has: func(path string) bool { return path == "spec.template" }}, nil
	}
	for name, test := range map[string]struct {
		path     string
		existing v1alpha1.Existing
		want     review.Verdict
	}{
		"the field":              {"spec.template", v1alpha1.ExistingTolerate, review.VerdictWarn},
		"whatever exists":        {"spec.template", v1alpha1.ExistingEnforce, review.VerdictWarn},
		"another field":          {"spec.replicas", v1alpha1.ExistingTolerate, review.VerdictDeny},
		"another field, by rule": {"spec.replicas", v1alpha1.ExistingEnforce, review.VerdictDeny},
	} {
		e := evidence(t, service(review.Update), asked{guardrail: "g", mode: review.ModeEnforce, result: violation(test.path), existing: test.existing})
		e.Restored = restored
		if d := decide(t, e); d.Verdict != test.want || (d.Findings[0].Tolerated == "as before") != (test.want == review.VerdictWarn) {
			t.Errorf("%s: got %+v", name, d)
		}
	}

	e := evidence(t, service(review.Update),
		asked{guardrail: "g", mode: review.ModeEnforce, result: violation("spec.replicas")},
		asked{guardrail: "g", mode: review.ModeWarn, result: violation("spec.template")})
	e.Restored = restored
	if d := decide(t, e); d.Findings[1].Tolerated != "" {
		t.Errorf("what only warns needs no tolerance, but got %+v", d.Findings)
	}

	e = evidence(t, service(review.Update), asked{guardrail: "g", mode: review.ModeEnforce, result: violation("k")})
	broken := errors.New("broken")
	e.Restored = func() (guardrail.Restored, error) { return guardrail.Restored{}, broken }
	if _, err := guardrail.Decide(e); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	updates(&e, violation("k"))
	if d := decide(t, e); d.Verdict != review.VerdictWarn {
		t.Errorf("what the stored object has needs no look at the cluster, but got %v", d.Verdict)
	}
}

func TestOnlyWhatIsAboutAFieldCounts(t *testing.T) {
	for path, want := range map[string]review.Verdict{
		"spec.template": review.VerdictDeny, "spec.template.spec": review.VerdictDeny,
		"spec.templates": review.VerdictAllow, "spec": review.VerdictAllow, "metadata.labels": review.VerdictAllow,
	} {
		e := evidence(t, service(review.Create), asked{guardrail: "g", mode: review.ModeEnforce, result: violation(path)})
		e.Only = "spec.template"
		if d := decide(t, e); d.Verdict != want {
			t.Errorf("%s: got %v", path, d.Verdict)
		}
	}
}

// A controller is trusted with an object that it makes from a template only where the binding
// is about the kinds that carry the template.
func TestTrustNeedsTheKindThatCarriesTheTemplate(t *testing.T) {
	kinds := func(names ...string) (all []schema.GroupKind) {
		for _, name := range names {
			all = append(all, schema.ParseGroupKind(name))
		}
		return all
	}
	gvk := func(name string) schema.GroupVersionKind { return schema.ParseGroupKind(name).WithVersion("v1") }
	manager := review.User{Name: "system:kube-controller-manager"}
	for name, test := range map[string]struct {
		kind      string
		user      review.User
		operation review.Operation
		owner     string
		kinds     []schema.GroupKind
		path      string
		want      review.Verdict
	}{
		"a ReplicaSet's Pod":              {"Pod", sa("replicaset-controller"), review.Create, "", kinds("Pod", "ReplicaSet.apps"), "k", review.VerdictAllow},
		"its kind is left out":            {"Pod", sa("replicaset-controller"), review.Create, "", kinds("Pod", "Deployment.apps"), "k", review.VerdictDeny},
		"only Pods":                       {"Pod", sa("job-controller"), review.Create, "", kinds("Pod"), "k", review.VerdictDeny},
		"a Job's Pod":                     {"Pod", sa("job-controller"), review.Create, "", kinds("Pod", "Job.batch"), "k", review.VerdictAllow},
		"a StatefulSet's Pod":             {"Pod", sa("statefulset-controller"), review.Create, "", kinds("Pod", "StatefulSet.apps"), "k", review.VerdictAllow},
		"a DaemonSet's Pod":               {"Pod", sa("daemon-set-controller"), review.Create, "", kinds("Pod", "DaemonSet.apps"), "k", review.VerdictAllow},
		"a ReplicationController's":       {"Pod", sa("replication-controller"), review.Create, "", kinds("Pod", "ReplicationController"), "k", review.VerdictAllow},
		"without ReplicationController":   {"Pod", sa("replication-controller"), review.Create, "", kinds("Pod", "ReplicaSet.apps"), "k", review.VerdictDeny},
		"a Deployment's ReplicaSet":       {"ReplicaSet.apps", sa("deployment-controller"), review.Create, "", kinds("ReplicaSet.apps", "Deployment.apps"), "k", review.VerdictAllow},
		"of an undecided Deployment":      {"ReplicaSet.apps", sa("deployment-controller"), review.Create, "", kinds("ReplicaSet.apps"), "k", review.VerdictDeny},
		"it is scaled":                    {"ReplicaSet.apps", sa("deployment-controller"), review.Update, "", kinds("ReplicaSet.apps"), "k", review.VerdictAllow},
		"a CronJob's Job":                 {"Job.batch", sa("cronjob-controller"), review.Create, "", kinds("Job.batch", "CronJob.batch"), "k", review.VerdictAllow},
		"of an undecided CronJob":         {"Job.batch", sa("cronjob-controller"), review.Create, "", kinds("Job.batch"), "k", review.VerdictDeny},
		"a set's claim":                   {"PersistentVolumeClaim", sa("statefulset-controller"), review.Create, "", kinds("PersistentVolumeClaim", "StatefulSet.apps"), "k", review.VerdictAllow},
		"only claims":                     {"PersistentVolumeClaim", sa("statefulset-controller"), review.Create, "", kinds("PersistentVolumeClaim"), "k", review.VerdictDeny},
		"an ephemeral volume's claim":     {"PersistentVolumeClaim", sa("ephemeral-volume-controller"), review.Create, "", kinds("PersistentVolumeClaim", "Pod"), "k", review.VerdictAllow},
		"without Pods":                    {"PersistentVolumeClaim", sa("ephemeral-volume-controller"), review.Create, "", kinds("PersistentVolumeClaim", "StatefulSet.apps"), "k", review.VerdictDeny},
		"a claim is bound":                {"PersistentVolumeClaim", sa("persistent-volume-binder"), review.Update, "", kinds("PersistentVolumeClaim"), "k", review.VerdictAllow},
		"a rollback, of the template":     {"Deployment.apps", sa("deployment-controller"), review.Update, "", kinds("Deployment.apps"), "spec.template.spec", review.VerdictDeny},
		"a rollback, all of it":           {"Deployment.apps", sa("deployment-controller"), review.Update, "", kinds("Deployment.apps"), "spec", review.VerdictDeny},
		"a rollback, of anything else":    {"Deployment.apps", sa("deployment-controller"), review.Update, "", kinds("Deployment.apps"), "spec.replicas", review.VerdictAllow},
		"a rollback to what is decided":   {"Deployment.apps", sa("deployment-controller"), review.Update, "", kinds("Deployment.apps", "ReplicaSet.apps"), "spec.template.spec", review.VerdictAllow},
		"one user for all, a Job's":       {"Pod", manager, review.Create, "Job.batch", kinds("Pod", "Job.batch"), "k", review.VerdictAllow},
		"one user, another owner's":       {"Pod", manager, review.Create, "ReplicaSet.apps", kinds("Pod", "Job.batch"), "k", review.VerdictDeny},
		"one user, no owner":              {"Pod", manager, review.Create, "", kinds("Pod", "Job.batch"), "k", review.VerdictDeny},
		"one user, an unknown owner":      {"Pod", manager, review.Create, "Thing.example.com", kinds("Pod", "Job.batch"), "k", review.VerdictDeny},
		"one user, no owner, all decided": {"Pod", manager, review.Create, "", review.PodKinds(), "k", review.VerdictAllow},
		"one user, a volume's claim":      {"PersistentVolumeClaim", manager, review.Create, "Pod", kinds("PersistentVolumeClaim", "Pod"), "k", review.VerdictAllow},
		"one user, a set's claim":         {"PersistentVolumeClaim", manager, review.Create, "", kinds("PersistentVolumeClaim", "Pod"), "k", review.VerdictDeny},
		"one user, a claim is bound":      {"PersistentVolumeClaim", manager, review.Update, "", kinds("PersistentVolumeClaim"), "k", review.VerdictAllow},
	} {
		metadata := map[string]any{}
		if test.owner != "" {
			owner := gvk(test.owner)
			metadata["ownerReferences"] = []any{
				map[string]any{"apiVersion": "v1", "kind": "Node"},
				map[string]any{"apiVersion": owner.GroupVersion().String(), "kind": owner.Kind, "controller": true},
			}
		}
		r := &review.Request{
			Kind: gvk(test.kind), User: test.user, Operation: test.operation, Object: map[string]any{"metadata": metadata},
			Workload: &review.Workload{PodPath: "spec.template"},
		}
		a := asked{guardrail: "g", mode: review.ModeEnforce, result: violation(test.path), kinds: test.kinds}
		d := decide(t, evidence(t, r, a))
		if d.Verdict != test.want {
			t.Errorf("%s: got %v", name, d.Verdict)
		}
		// What would be denied is counted before it is.
		a.mode = review.ModeAudit
		if d := decide(t, evidence(t, r, a)); d.Findings[0].WouldDeny != (test.want == review.VerdictDeny) {
			t.Errorf("%s: under audit, WouldDeny is %v", name, d.Findings[0].WouldDeny)
		}
	}
}
