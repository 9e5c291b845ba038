package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
)

// ran is what a command of taffrail printed.
type ran struct {
	stdout, stderr string
	code           int
}

// runAs runs a program with the kubeconfig of a user, and files on its PATH before the others.
func runAs(ctx context.Context, t *testing.T, user *harness.User, path, program string, args ...string) ran {
	t.Helper()
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	must(t, os.WriteFile(kubeconfig, user.Kubeconfig, 0o600))
	var stdout, stderr bytes.Buffer
	run := exec.CommandContext(ctx, program, args...)
	run.Env = []string{"KUBECONFIG=" + kubeconfig, "HOME=" + dir, "PATH=" + path + string(os.PathListSeparator) + os.Getenv("PATH"), "KUBECTL_KUBERC=false"}
	run.Stdout, run.Stderr = &stdout, &stderr
	err := run.Run()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return ran{stdout.String(), stderr.String(), run.ProcessState.ExitCode()}
}

// liveNamespace makes a namespace with a LimitRange and a ResourceQuota that is in force, a
// Guardrail and a Policy of its own, and an Exemption.
func liveNamespace(t *testing.T, name string) (namespace, exemption string) {
	t.Helper()
	namespace = newNamespace(t, name, enforced, "test.taffrail.dev/own="+name)
	policy := ownPolicy("own-"+namespace, wants("owner"))
	if condition := putPolicy(t, policy); condition.Status != metav1.ConditionTrue {
		t.Fatalf("%+v", condition)
	}
	putGuardrail(t, binding(policy.Name, name, policy.Name))
	excused := nginxExemption(name+"-nginx", namespace, time.Now().Add(time.Hour))
	putExemption(t, excused)
	limits := func(cpu, memory string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
	}
	meta := metav1.ObjectMeta{Name: "team", Namespace: namespace}
	must(t, cluster.Admin.Client.Create(t.Context(), &corev1.LimitRange{ObjectMeta: meta, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
		Type: corev1.LimitTypeContainer, Default: limits("500m", "512Mi"), DefaultRequest: limits("250m", "256Mi"),
	}}}}))
	quota := &corev1.ResourceQuota{ObjectMeta: meta, Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourceLimitsCPU: resource.MustParse("6")}}}
	must(t, cluster.Admin.Client.Create(t.Context(), quota))
	eventually(t, "the quota to be in force", func(ctx context.Context) error {
		if err := cluster.Admin.Client.Get(ctx, client.ObjectKeyFromObject(quota), quota); err != nil {
			return err
		}
		if len(quota.Status.Hard) == 0 {
			return errors.New("it has no status")
		}
		return nil
	})
	return namespace, excused.Name
}

// readReport reads a report in JSON, which has the Exemptions of a finding as one text.
func readReport(t *testing.T, text string) []checked {
	t.Helper()
	var report struct{ Objects []checked }
	must(t, json.Unmarshal([]byte(text), &report))
	var exempted struct {
		Objects []struct{ Findings []struct{ Exempted string } }
	}
	must(t, json.Unmarshal([]byte(text), &exempted))
	for i := range exempted.Objects {
		for k, finding := range exempted.Objects[i].Findings {
			if finding.Exempted != "" {
				report.Objects[i].Findings[k].Exemptions = strings.Split(finding.Exempted, ", ")
			}
		}
	}
	return report.Objects
}

// A Deployment that does not fit into the quota, and a ConfigMap that the Policy refuses.
const liveManifests = `apiVersion: apps/v1
kind: Deployment
metadata: {name: large, labels: {app: large}}
spec:
  replicas: 40
  selector: {matchLabels: {app: large}}
  template:
    metadata: {labels: {app: large}}
    spec: {containers: [{name: large, image: "nginx:1.27.3"}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: unowned}
data: {key: value}
`

// What check --live says is what admission answers, in the same words; and an export of the cluster
// says the same again.
func TestLiveVerdicts(t *testing.T) {
	t.Parallel()
	namespace, exemption := liveNamespace(t, "live")
	dir := t.TempDir()
	manifests, err := harness.Chapter(cluster.Root)
	must(t, err)
	for i, text := range strings.Split(liveManifests, "---\n") {
		manifests = append(manifests, harness.Manifest{File: fmt.Sprintf("9%d_live.yaml", i), Content: []byte(text)})
	}
	for _, manifest := range manifests {
		must(t, os.WriteFile(filepath.Join(dir, manifest.File), manifest.Content, 0o600))
	}
	live := runAs(t.Context(), t, cluster.Admin, "", cluster.Binary, "check", "--live", "-n", namespace, "-o", "json", dir)
	if live.code != 1 {
		t.Fatalf("exit code %d: %s", live.code, live.stderr)
	}
	seen := map[string]int{}
	for _, said := range sameVerdicts(t, namespace, manifests, readReport(t, live.stdout)) {
		for _, finding := range said.Findings {
			seen[finding.Policy]++
			if finding.Unknown != "" {
				t.Errorf("%s: unknown, because %s", said.Source.File, finding.Unknown)
			}
			for _, name := range finding.Exemptions {
				seen[name]++
			}
		}
	}
	for _, what := range []string{"quota-fit", "own-" + namespace, exemption} {
		if seen[what] == 0 {
			t.Errorf("%s found nothing: %v", what, seen)
		}
	}

	exported := runAs(t.Context(), t, cluster.Admin, "", cluster.Binary, "export")
	if exported.code != 0 || exported.stderr != "" {
		t.Fatalf("export: exit code %d: %s", exported.code, exported.stderr)
	}
	file := filepath.Join(t.TempDir(), "cluster.yaml")
	must(t, os.WriteFile(file, []byte(exported.stdout), 0o600))
	again := runAs(t.Context(), t, cluster.Alice, "", cluster.Binary, "check", "-c", file, "--facts", file, "-n", namespace, "-o", "json", dir)
	if diff := diff(live.stdout, again.stdout); diff != "" || again.code != live.code {
		t.Errorf("by the export, exit code %d (-live +export):\n%s\n%s", again.code, diff, again.stderr)
	}
	if !strings.Contains(again.stderr, "cluster.yaml is an export of cluster ") {
		t.Errorf("the age is not reported: %s", again.stderr)
	}
}

// newReader makes a user with rights that go with the test.
func newReader(t *testing.T, name string, rules ...rbacv1.PolicyRule) *harness.User {
	t.Helper()
	user, err := cluster.NewUser(unique(name))
	must(t, err)
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: user.Name}, Rules: rules}
	bound := &rbacv1.ClusterRoleBinding{
		ObjectMeta: role.ObjectMeta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user.Name}},
	}
	for _, object := range []client.Object{role, bound} {
		must(t, cluster.Admin.Client.Create(t.Context(), object))
		t.Cleanup(func() {
			if err := cluster.Admin.Client.Delete(context.Background(), object); err != nil { //nolint:usetesting // it has ended
				t.Error(err)
			}
		})
	}
	return user
}

// A user with few rights gets an answer as far as they go, and learns what is missing.
func TestLiveWithFewRights(t *testing.T) {
	t.Parallel()
	namespace, _ := liveNamespace(t, "live-few")
	user := newReader(t, "reader",
		rbacv1.PolicyRule{APIGroups: []string{"taffrail.dev"}, Resources: []string{"guardrails", "policies"}, Verbs: []string{"list"}},
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get"}},
	)
	file := filepath.Join(t.TempDir(), "live.yaml")
	must(t, os.WriteFile(file, []byte(liveManifests), 0o600))
	var said ran
	eventually(t, "the rights to be granted", func(ctx context.Context) error {
		if said = runAs(ctx, t, user, "", cluster.Binary, "check", "--live", "-n", namespace, file); strings.Contains(said.stderr, "read guardrails") {
			return errors.New(said.stderr)
		}
		return nil
	})
	if said.code != 2 || !strings.Contains(said.stdout, "ConfigMap "+namespace+"/unowned is denied by 1 policy") {
		t.Errorf("exit code %d:\n%s", said.code, said.stdout)
	}
	for _, want := range []string{
		`you are not permitted to read limitranges of namespace ` + namespace + `: limitranges is forbidden: User "` + user.Name + `" cannot list resource "limitranges"`,
		`error: you are not permitted to read exemptions: exemptions.taffrail.dev is forbidden: `,
	} {
		if !strings.Contains(said.stderr, want) {
			t.Errorf("not told: %s\n%s", want, said.stderr)
		}
	}
	exported := runAs(t.Context(), t, user, "", cluster.Binary, "export", "-n", namespace)
	if exported.code != 2 || !strings.Contains(exported.stdout, "- namespace: "+namespace+"\n") || !strings.Contains(exported.stdout, "    resource: limitranges\n") {
		t.Errorf("export: exit code %d, %s\n%s", exported.code, exported.stderr, exported.stdout)
	}
	nobody := runAs(t.Context(), t, cluster.Alice, "", cluster.Binary, "check", "--live", "-n", namespace, file)
	if nobody.code != 2 || nobody.stdout != "" || !strings.Contains(nobody.stderr, "you are not permitted to read guardrails: ") {
		t.Errorf("without any rights, exit code %d: %s\n%s", nobody.code, nobody.stderr, nobody.stdout)
	}
}

// explain says what applies to an object of the cluster, as a plugin of kubectl too. A Secret is
// not read.
func TestExplain(t *testing.T) {
	t.Parallel()
	namespace, exemption := liveNamespace(t, "explained")
	manifest, err := harness.ChapterManifest(cluster.Root, "01_nginx")
	must(t, err)
	manifest.SetNamespace(namespace)
	admit(t, "an exempted Deployment", cluster.Alice.Create(t.Context(), manifest))
	programs := t.TempDir()
	must(t, os.Symlink(cluster.Binary, filepath.Join(programs, "kubectl-taffrail")))

	alone := runAs(t.Context(), t, cluster.Admin, "", cluster.Binary, "explain", "deploy/"+manifest.GetName(), "-n", namespace)
	plugin := runAs(t.Context(), t, cluster.Admin, programs, filepath.Join(cluster.Programs, "kubectl"), "taffrail", "explain", "deployments.apps/"+manifest.GetName(), "-n", namespace)
	for name, said := range map[string]ran{"taffrail": alone, "kubectl taffrail": plugin} {
		if said.code != 0 {
			t.Fatalf("%s: exit code %d: %s", name, said.code, said.stderr)
		}
		for _, want := range []string{
			"Deployment " + namespace + "/" + manifest.GetName() + "\n",
			"Guardrail chapter applies: its namespaceSelector test.taffrail.dev/mode=enforce matches namespace " + namespace + "\n",
			"Guardrail team-warn does not apply: its namespaceSelector test.taffrail.dev/mode=warn does not match namespace " + namespace + ", which has the label test.taffrail.dev/mode=enforce\n",
			"  enforce  image-tag; exempted by " + exemption + "\n",
			"  warn     min-replicas (the mode of the binding)\n",
			"Exemption " + exemption + " applies until ",
			"limitRanges, used by ", ": team\n",
		} {
			if !strings.Contains(said.stdout, want) {
				t.Errorf("%s: not in it: %s\n%s", name, want, said.stdout)
			}
		}
	}
	// Whoever read it would see that it does not exist.
	secret := runAs(t.Context(), t, cluster.Admin, "", cluster.Binary, "explain", "secrets/none", "-n", namespace)
	if secret.code != 0 || !strings.Contains(secret.stdout, "  enforce  plaintext-secret\n") {
		t.Errorf("exit code %d: %s\n%s", secret.code, secret.stderr, secret.stdout)
	}
}

// A list that is longer than a page is exported whole.
func TestExportOfManyObjects(t *testing.T) {
	t.Parallel()
	const many = 503
	namespace := newNamespace(t, "many")
	for i := range many {
		must(t, cluster.Admin.Client.Create(t.Context(), &corev1.LimitRange{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("many-%d", i), Namespace: namespace, Annotations: map[string]string{"note": "hunter2-swordfish"}},
			Spec:       corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypePod}}},
		}))
	}
	for _, args := range [][]string{{"export"}, {"export", "-n", namespace}} {
		said := runAs(t.Context(), t, cluster.Admin, "", cluster.Binary, args...)
		if got := strings.Count(said.stdout, "  name: many-"); said.code != 0 || got != many {
			t.Errorf("%v: exit code %d, %d of %d objects: %s", args, said.code, got, many, said.stderr)
		}
		for _, never := range []string{"kind: Secret", "hunter2", "managedFields"} {
			if strings.Contains(said.stdout, never) {
				t.Errorf("%v: %s is in it", args, never)
			}
		}
	}
}
