package config_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// trustedWith reports whether a binding that enforces a policy of some kinds records what a request
// writes at a path instead of denying it.
func trustedWith(t *testing.T, r *decision.Request, path string, trusted v1alpha1.TrustedWriters, kinds ...schema.GroupKind) bool {
	t.Helper()
	b := config.AppliedBinding{
		Binding:   config.Binding{Policy: &rego.Policy{ID: "a-policy", Kinds: kinds}, Mode: decision.ModeEnforce},
		Guardrail: newGuardrail(t, v1alpha1.GuardrailSpec{TrustedWriters: trusted}),
	}
	recorded := b.EffectiveMode(r, path) == decision.ModeAudit
	// What would be denied is counted before it is.
	if b.WouldDeny(r, path) == recorded {
		t.Errorf("%s of %s by %s: recorded %v, and would be denied too", r.Operation, r.Kind.Kind, r.User.Name, recorded)
	}
	return recorded
}

func podKind() schema.GroupVersionKind { return schema.GroupVersionKind{Version: "v1", Kind: "Pod"} }

func sa(name string) decision.User {
	return decision.User{Name: "system:serviceaccount:kube-system:" + name}
}

func TestWhomAGuardrailTrusts(t *testing.T) {
	bot := v1alpha1.TrustedWriters{Users: []string{"bot"}}
	ops := v1alpha1.TrustedWriters{Groups: []string{"ops"}}
	for name, test := range map[string]struct {
		user    decision.User
		trusted v1alpha1.TrustedWriters
		want    bool
	}{
		"a person":             {decision.User{Name: "alice"}, v1alpha1.TrustedWriters{}, false},
		"a trusted user":       {decision.User{Name: "bot"}, bot, true},
		"another user":         {decision.User{Name: "alice"}, bot, false},
		"a trusted group":      {decision.User{Name: "x", Groups: []string{"ops"}}, ops, true},
		"another group":        {decision.User{Name: "x", Groups: []string{"dev"}}, ops, false},
		"a group named as one": {decision.User{Name: "x", Groups: []string{"bot"}}, bot, false},
	} {
		r := &decision.Request{Kind: podKind(), User: test.user, Operation: decision.Create}
		if got := trustedWith(t, r, "k", test.trusted, decision.PodKinds()...); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

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
		want bool
	}{
		"the node's own":        {pod{node("n1"), []any{owner("n1")}, true}, true},
		"not marked":            {pod{node("n1"), []any{owner("n1")}, false}, false},
		"another node's":        {pod{node("n1"), []any{owner("n2")}, true}, false},
		"two owners":            {pod{node("n1"), []any{owner("n1"), owner("n2")}, true}, false},
		"nobody's":              {pod{node("n1"), nil, true}, false},
		"not of the nodes":      {pod{decision.User{Name: "system:node:n1"}, []any{owner("n1")}, true}, false},
		"a person who pretends": {pod{decision.User{Name: "alice", Groups: []string{"system:nodes"}}, []any{owner("n1")}, true}, false},
	} {
		metadata := map[string]any{"ownerReferences": test.pod.owners}
		if test.pod.marked {
			metadata["annotations"] = map[string]any{"kubernetes.io/config.mirror": "hash"}
		}
		r := &decision.Request{Kind: podKind(), User: test.pod.user, Operation: decision.Create, Object: map[string]any{"metadata": metadata}}
		if got := trustedWith(t, r, "k", v1alpha1.TrustedWriters{}, decision.PodKinds()...); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// Beyond the controllers, each part of the control plane is trusted with what it writes and no more.
func TestTrustOfTheControlPlane(t *testing.T) {
	const apiServer, scheduler, manager = "system:apiserver", "system:kube-scheduler", "system:kube-controller-manager"
	for name, test := range map[string]struct {
		kind string
		user string
		want bool
	}{
		"a claim that is scheduled":    {"PersistentVolumeClaim", scheduler, true},
		"a Pod by the scheduler":       {"Pod", scheduler, false},
		"the API server's own Service": {"Service", apiServer, true},
		"a Service by a person":        {"Service", "apiserver", false},
		"manager, a Pod":               {"Pod", manager, true},
		"manager, a Service":           {"Service", manager, false},
		"a node, a Pod":                {"Pod", "system:node:n1", false},
		"another namespace's":          {"Pod", "system:serviceaccount:shop:replicaset-controller", false},
		"a kind of the same name":      {"Deployment.example.com", sa("deployment-controller").Name, false},
	} {
		r := &decision.Request{Kind: schema.ParseGroupKind(test.kind).WithVersion("v1"), User: decision.User{Name: test.user}, Operation: decision.Create}
		if got := trustedWith(t, r, "k", v1alpha1.TrustedWriters{}, decision.PodKinds()...); got != test.want {
			t.Errorf("%s: got %v", name, got)
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
	manager := decision.User{Name: "system:kube-controller-manager"}
	for name, test := range map[string]struct {
		kind      string
		user      decision.User
		operation decision.Operation
		owner     string
		kinds     []schema.GroupKind
		path      string
		want      bool
	}{
		"a ReplicaSet's Pod":              {"Pod", sa("replicaset-controller"), decision.Create, "", kinds("Pod", "ReplicaSet.apps"), "k", true},
		"its kind is left out":            {"Pod", sa("replicaset-controller"), decision.Create, "", kinds("Pod", "Deployment.apps"), "k", false},
		"only Pods":                       {"Pod", sa("job-controller"), decision.Create, "", kinds("Pod"), "k", false},
		"a Job's Pod":                     {"Pod", sa("job-controller"), decision.Create, "", kinds("Pod", "Job.batch"), "k", true},
		"a StatefulSet's Pod":             {"Pod", sa("statefulset-controller"), decision.Create, "", kinds("Pod", "StatefulSet.apps"), "k", true},
		"a DaemonSet's Pod":               {"Pod", sa("daemon-set-controller"), decision.Create, "", kinds("Pod", "DaemonSet.apps"), "k", true},
		"a ReplicationController's":       {"Pod", sa("replication-controller"), decision.Create, "", kinds("Pod", "ReplicationController"), "k", true},
		"without ReplicationController":   {"Pod", sa("replication-controller"), decision.Create, "", kinds("Pod", "ReplicaSet.apps"), "k", false},
		"a Deployment's ReplicaSet":       {"ReplicaSet.apps", sa("deployment-controller"), decision.Create, "", kinds("ReplicaSet.apps", "Deployment.apps"), "k", true},
		"of an undecided Deployment":      {"ReplicaSet.apps", sa("deployment-controller"), decision.Create, "", kinds("ReplicaSet.apps"), "k", false},
		"it is scaled":                    {"ReplicaSet.apps", sa("deployment-controller"), decision.Update, "", kinds("ReplicaSet.apps"), "k", true},
		"a CronJob's Job":                 {"Job.batch", sa("cronjob-controller"), decision.Create, "", kinds("Job.batch", "CronJob.batch"), "k", true},
		"of an undecided CronJob":         {"Job.batch", sa("cronjob-controller"), decision.Create, "", kinds("Job.batch"), "k", false},
		"a set's claim":                   {"PersistentVolumeClaim", sa("statefulset-controller"), decision.Create, "", kinds("PersistentVolumeClaim", "StatefulSet.apps"), "k", true},
		"only claims":                     {"PersistentVolumeClaim", sa("statefulset-controller"), decision.Create, "", kinds("PersistentVolumeClaim"), "k", false},
		"an ephemeral volume's claim":     {"PersistentVolumeClaim", sa("ephemeral-volume-controller"), decision.Create, "", kinds("PersistentVolumeClaim", "Pod"), "k", true},
		"without Pods":                    {"PersistentVolumeClaim", sa("ephemeral-volume-controller"), decision.Create, "", kinds("PersistentVolumeClaim", "StatefulSet.apps"), "k", false},
		"a claim is bound":                {"PersistentVolumeClaim", sa("persistent-volume-binder"), decision.Update, "", kinds("PersistentVolumeClaim"), "k", true},
		"a rollback, of the template":     {"Deployment.apps", sa("deployment-controller"), decision.Update, "", kinds("Deployment.apps"), "spec.template.spec", false},
		"a rollback, all of it":           {"Deployment.apps", sa("deployment-controller"), decision.Update, "", kinds("Deployment.apps"), "spec", false},
		"a rollback, of anything else":    {"Deployment.apps", sa("deployment-controller"), decision.Update, "", kinds("Deployment.apps"), "spec.replicas", true},
		"a rollback to what is decided":   {"Deployment.apps", sa("deployment-controller"), decision.Update, "", kinds("Deployment.apps", "ReplicaSet.apps"), "spec.template.spec", true},
		"one user for all, a Job's":       {"Pod", manager, decision.Create, "Job.batch", kinds("Pod", "Job.batch"), "k", true},
		"one user, another owner's":       {"Pod", manager, decision.Create, "ReplicaSet.apps", kinds("Pod", "Job.batch"), "k", false},
		"one user, no owner":              {"Pod", manager, decision.Create, "", kinds("Pod", "Job.batch"), "k", false},
		"one user, an unknown owner":      {"Pod", manager, decision.Create, "Thing.example.com", kinds("Pod", "Job.batch"), "k", false},
		"one user, no owner, all decided": {"Pod", manager, decision.Create, "", decision.PodKinds(), "k", true},
		"one user, a volume's claim":      {"PersistentVolumeClaim", manager, decision.Create, "Pod", kinds("PersistentVolumeClaim", "Pod"), "k", true},
		"one user, a set's claim":         {"PersistentVolumeClaim", manager, decision.Create, "", kinds("PersistentVolumeClaim", "Pod"), "k", false},
		"one user, a claim is bound":      {"PersistentVolumeClaim", manager, decision.Update, "", kinds("PersistentVolumeClaim"), "k", true},
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
		if got := trustedWith(t, r, test.path, v1alpha1.TrustedWriters{}, test.kinds...); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
