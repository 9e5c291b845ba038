package integration

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
)

// auditKinds are what kubectl reads to compare with an audit.
const auditKinds = "pods,services,configmaps,persistentvolumeclaims,deployments,statefulsets,daemonsets,replicasets,jobs,cronjobs"

// decidedObject is an object of a report in JSON, as far as two reports have to agree.
type decidedObject struct {
	APIVersion, Kind, Namespace, Name, Verdict string
	Findings                                   []map[string]any
	Filled                                     []map[string]any
}

func (o *decidedObject) subject() string { return o.Kind + " " + o.Namespace + "/" + o.Name }

func decidedObjects(t *testing.T, text string) map[string]decidedObject {
	t.Helper()
	var report struct{ Objects []decidedObject }
	must(t, json.Unmarshal([]byte(text), &report))
	all := map[string]decidedObject{}
	for _, object := range report.Objects {
		for _, finding := range object.Findings {
			delete(finding, "line") // only files have lines
		}
		all[object.subject()] = object
	}
	return all
}

// existingObjects makes a namespace, puts objects in it that Guardrails would refuse, and has them decided from
// then on.
func existingObjects(t *testing.T, name string) string {
	t.Helper()
	namespace := newNamespace(t, name)
	manifests, err := harness.Chapter(cluster.Root)
	must(t, err)
	for _, manifest := range manifests {
		object, err := manifest.Object()
		must(t, err)
		if kind := object.GetKind(); kind == "Namespace" || kind == "Secret" {
			continue
		}
		object.SetNamespace(namespace)
		if answer := cluster.Admin.Create(t.Context(), object); answer.Err != nil && !strings.Contains(answer.Err.Error(), "already exists") {
			t.Fatal(answer.Err)
		}
	}
	bare := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "bare", Namespace: namespace}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "nginx"}}}}
	admit(t, "a bare Pod", cluster.Admin.Create(t.Context(), bare))
	eventually(t, "the Pods of a Deployment", func(ctx context.Context) error {
		pods := &corev1.PodList{}
		if err := cluster.Admin.Client.List(ctx, pods, client.InNamespace(namespace)); err != nil {
			return err
		}
		if !slices.ContainsFunc(pods.Items, func(p corev1.Pod) bool { return metav1.GetControllerOf(&p) != nil }) {
			return errors.New("there is none")
		}
		return nil
	})
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"`+modeLabel+`":"enforce","team":"payments"}}}`))
	must(t, cluster.Admin.Client.Patch(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, patch))
	return namespace
}

// An audit says of every object what check says of its YAML, in the same words, and leaves out what controllers
// made from templates.
func TestAuditCommand(t *testing.T) {
	t.Parallel()
	namespace := existingObjects(t, "audited")
	programs := t.TempDir()
	must(t, os.Symlink(cluster.Binary, filepath.Join(programs, "kubectl-taffrail")))
	kubectl := filepath.Join(cluster.Programs, "kubectl")
	written := runAs(t.Context(), t, cluster.Admin, "", kubectl, "get", auditKinds, "-n", namespace, "-o", "yaml")
	if written.code != 0 {
		t.Fatal(written.stderr)
	}
	file := filepath.Join(t.TempDir(), "cluster.yaml")
	must(t, os.WriteFile(file, []byte(written.stdout), 0o600))
	checked := runAs(t.Context(), t, cluster.Admin, "", cluster.Binary, "check", "--live", "-o", "json", file)
	audited := runAs(t.Context(), t, cluster.Admin, programs, kubectl, "taffrail", "audit", "-n", namespace, "-o", "json")
	if audited.code != 1 || checked.code != 1 {
		t.Fatalf("exit codes %d and %d:\n%s\n%s", audited.code, checked.code, audited.stderr, checked.stderr)
	}
	want, got := decidedObjects(t, checked.stdout), decidedObjects(t, audited.stdout)
	if len(got) < 8 || !strings.Contains(audited.stdout, `"owner": "payments"`) {
		t.Errorf("only %d objects were audited, or their owner is not named:\n%s", len(got), audited.stderr)
	}
	for subject, object := range got {
		expected := want[subject]
		if object.Kind == "Pod" {
			// Nothing fills the gaps of a Pod that exists, as would be done if it were created.
			isGap := func(f map[string]any) bool { return f["policy"] == "require-resources" }
			if !slices.ContainsFunc(object.Findings, isGap) || len(expected.Filled) == 0 {
				t.Errorf("%s: its gaps are not found", subject)
			}
			object.Findings, expected.Filled = slices.DeleteFunc(object.Findings, isGap), object.Filled
		}
		if diff := diff(expected, object); diff != "" {
			t.Errorf("%s (-check +audit):\n%s", subject, diff)
		}
	}
	for subject := range want {
		kind, _, _ := strings.Cut(subject, " ")
		_, found := got[subject]
		// Controllers make these from templates, and the ConfigMap with the certificates.
		if !found && (!slices.Contains([]string{"Pod", "ReplicaSet", "Job", "ConfigMap"}, kind) || strings.HasSuffix(subject, "/bare")) {
			t.Errorf("%s was not audited", subject)
		}
	}
	table := runAs(t.Context(), t, cluster.Admin, "", cluster.Binary, "audit", "-n", namespace)
	if !strings.Contains(table.stdout, "Pod bare ") || strings.Contains(table.stdout, "ReplicaSet") {
		t.Errorf("the table:\n%s", table.stdout)
	}
}

// Who may only read a namespace, and not even all that decisions depend on, gets an answer as far as that goes.
func TestAuditCommandWithFewRights(t *testing.T) {
	t.Parallel()
	namespace := existingObjects(t, "audited-few")
	user := newReader(t, "auditor",
		rbacv1.PolicyRule{APIGroups: []string{"taffrail.dev"}, Resources: []string{"*"}, Verbs: []string{"list"}},
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces", "pods", "configmaps", "resourcequotas", "persistentvolumeclaims"}, Verbs: []string{"get", "list"}},
		rbacv1.PolicyRule{APIGroups: []string{"apps", "batch", "autoscaling"}, Resources: []string{"*"}, Verbs: []string{"list"}},
	)
	var said ran
	eventually(t, "the rights to be granted", func(ctx context.Context) error {
		if said = runAs(ctx, t, user, "", cluster.Binary, "audit", "-n", namespace, "-o", "json"); strings.Contains(said.stderr, "read guardrails") {
			return errors.New(said.stderr)
		}
		return nil
	})
	for _, want := range []string{
		`you are not permitted to read every Service: services is forbidden: User "` + user.Name + `" cannot list resource "services"`,
		`you are not permitted to read limitranges of namespace ` + namespace,
	} {
		if !strings.Contains(said.stderr, want) {
			t.Errorf("not told: %s\n%s", want, said.stderr)
		}
	}
	if said.code != 2 {
		t.Fatalf("exit code %d:\n%s", said.code, said.stderr)
	}
	whole := runAs(t.Context(), t, cluster.Admin, "", cluster.Binary, "audit", "-n", namespace, "-o", "json")
	want, got := decidedObjects(t, whole.stdout), decidedObjects(t, said.stdout)
	compared, unknown := 0, 0
	for subject, object := range got {
		expected := want[subject].Findings
		for _, finding := range object.Findings {
			if finding["unknown"] != "" {
				unknown++
				expected = slices.DeleteFunc(expected, func(f map[string]any) bool { return f["policy"] == finding["policy"] })
			}
		}
		object.Findings = slices.DeleteFunc(object.Findings, func(f map[string]any) bool { return f["unknown"] != "" })
		if diff := diff(expected, object.Findings); diff != "" {
			t.Errorf("%s (-all rights +few):\n%s", subject, diff)
		}
		compared += len(object.Findings)
	}
	if compared < 5 || unknown == 0 {
		t.Errorf("%d findings, and %d unknown:\n%s", compared, unknown, said.stderr)
	}
}
