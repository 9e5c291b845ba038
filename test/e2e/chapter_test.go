//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/test/harness"
)

const (
	chapterNamespace = "eks-work"
	// operator is an operator that copies Secrets from an external store.
	operatorNamespace = "external-secrets"
	guardLabel        = "taffrail.dev/guard"
)

// The chapter, from its namespace to its quota, under a Guardrail for the whole cluster.
func TestChapterUnderThePresetForEKS(t *testing.T) {
	install(t, "eks")
	helm(t, "test", release, "--namespace="+systemNamespace)
	s := begin(t, true, "")
	follow(s)
	s.Check(s.t, "testdata/chapter/eks.txt")
}

// The same in a namespace that opts in. One that does not is unaffected, and whoever may label namespaces
// cannot remove the label without the verb relax.
func TestChapterUnderThePresetForOptIn(t *testing.T) {
	install(t, "opt-in")
	helm(t, "test", release, "--namespace="+systemNamespace)
	s := begin(t, true, guardLabel+"=enabled")
	follow(s)

	s.Heading("The label is guarded.")
	nora := s.whoLabelsNamespaces("nora")
	s.exits(1, nora, "label namespace "+chapterNamespace+" "+guardLabel+"-")
	kubectl(t, world.admin, "create clusterrole relaxing --verb=relax --resource=guardrails.taffrail.dev")
	kubectl(t, world.admin, "create clusterrolebinding relaxing --clusterrole=relaxing --user=nora")
	t.Cleanup(func() { forget(t, "clusterrole/relaxing", "clusterrolebinding/relaxing") })
	eventually(t, "the verb relax", func(ctx context.Context) error {
		out, err := world.kubectl(ctx, nora, "auth can-i relax guardrails.taffrail.dev/chapter")
		if err == nil && out.code != 0 {
			err = errors.New(out.text)
		}
		return err
	})
	s.types(nora, "label namespace "+chapterNamespace+" "+guardLabel+"-")

	unasked := s.awaitSilence()
	s.Heading("Without it nobody says anything.")
	s.types(world.alice, "apply -f 02_nginx_k8s.yaml")
	s.types(world.alice, "apply -f 21_db_config_k8s.yaml")
	total, err := askedTogether(t.Context())
	must(t, err)
	if total != unasked {
		t.Errorf("Taffrail was asked %v times about a namespace without the label", total-unasked)
	}
	s.Check(s.t, "testdata/chapter/opt-in.txt")
}

// The same as a dry run: nothing is denied, warned about or filled in, and the status of the Guardrails says
// what would have been.
func TestChapterUnderThePresetForAudit(t *testing.T) {
	install(t, "audit", "server.wouldDenyInterval=5s")
	helm(t, "test", release, "--namespace="+systemNamespace)
	s := begin(t, false, "")
	follow(s)
	s.Heading("What would have been denied.")
	eventually(t, "it to be counted", func(ctx context.Context) error {
		out, err := world.kubectl(ctx, world.admin, "get guardrail chapter --output=jsonpath={.status.wouldDeny.namespaces}")
		if err == nil {
			err = counts(out.text, chapterNamespace, "image-tag", "plaintext-secret", "require-probes")
		}
		return err
	})
	s.Note("Guardrail chapter counts image-tag, plaintext-secret and require-probes in %s", chapterNamespace)
	s.Check(s.t, "testdata/chapter/audit.txt")
}

// begin creates the chapter's namespace and its users.
func begin(t *testing.T, enforces bool, label string) *story {
	t.Helper()
	chapterFiles(t)
	kubectl(t, world.admin, "delete namespace --ignore-not-found "+chapterNamespace)
	t.Cleanup(func() { deleteNamespace(t, chapterNamespace) })
	s := &story{t: t, namespace: chapterNamespace, enforces: enforces}
	s.Heading("The namespace.")
	s.types(world.admin, "apply -f 20_create_namespace_k8s.yaml")
	if label != "" {
		s.types(world.admin, "label namespace "+chapterNamespace+" "+label)
		// A template from the same second as the label counts as older than it.
		time.Sleep(time.Second)
	}
	allowAlice(t, chapterNamespace)
	if enforces {
		enforced(t, chapterNamespace)
	}
	return s
}

// follow runs the commands of the chapter.
func follow(s *story) {
	s.t.Helper()
	alice, admin := world.alice, world.admin
	operator := s.operator()

	s.Heading("The first Pod and the first Deployment.")
	s.refused(alice, "apply -f 02_nginx_k8s.yaml")
	s.refused(alice, "apply -f 01_nginx_deployment_k8s.yaml")
	if !s.enforces {
		s.types(alice, "delete -f 02_nginx_k8s.yaml -f 01_nginx_deployment_k8s.yaml")
	}

	s.Heading("A Deployment that says nothing of resources.")
	s.types(alice, "apply -f plain.yaml")
	s.runs(2, "plain", "/backend-app:1.0.0")

	s.Heading("Configuration, and Secrets: not from a manifest, but by who brings them from where they are kept.")
	s.types(alice, "apply -f 41_config_map_batch_k8s.yaml")
	s.refused(alice, "apply -f 21_db_config_k8s.yaml")
	if s.enforces {
		s.types(operator, "create -f 21_db_config_k8s.yaml")
	}
	s.types(operator, "create -f batch-secret.yaml")

	s.Heading("The API server, and its Service.")
	s.types(alice, "apply -f 22_deployment_backend-app_k8s.yaml")
	s.runs(2, "backend-app", "/backend-app:1.0.0")
	s.types(alice, "apply -f 23_service_backend-app_k8s.yaml")

	s.Heading("Load balancers are not for every namespace.")
	s.types(alice, "delete -f 23_service_backend-app_k8s.yaml")
	s.types(admin, "label namespace "+chapterNamespace+" taffrail.dev/exposure=restricted")
	s.awaitRestriction()
	s.refused(alice, "apply -f 23_service_backend-app_k8s.yaml")
	s.types(admin, "label namespace "+chapterNamespace+" taffrail.dev/exposure-")

	s.Heading("The batch, a run of it now, and none by itself.")
	s.types(alice, "apply -f 43_cronjob_k8s.yaml")
	s.types(alice, "create job now --from=cronjob/batch-app")
	s.completes("now")
	s.types(alice, `patch cronjob/batch-app --patch={"spec":{"suspend":true}}`)

	s.Heading("A rollout, one that is refused, and back.")
	s.types(alice, "set image deployment/backend-app backend-app="+backendImage2)
	s.runs(2, "backend-app", "/backend-app:2.0.0")
	s.refused(alice, "set image --dry-run=server deployment/backend-app backend-app="+backendImage)
	s.types(alice, "rollout undo deployment/backend-app")
	s.runs(2, "backend-app", "/backend-app:1.0.0")

	s.Heading("LimitRange and ResourceQuota.")
	s.types(admin, "apply -f limits.yaml")
	s.awaitLimits()
	s.types(alice, "rollout restart deployment/plain")
	s.awaitRestarted("plain")
	s.runs(2, "plain", "/backend-app:1.0.0")
	s.awaitQuota("4")
	s.refused(alice, "set resources --dry-run=server deployment/plain --limits=memory=2Gi")
	s.types(alice, "set resources --dry-run=server deployment/plain --requests=memory=900Mi --limits=memory=1Gi")
	s.types(alice, "scale --dry-run=server deployment/plain --replicas=3")
}

// operator returns a ServiceAccount that may write Secrets in the chapter's namespace.
func (s *story) operator() *user {
	s.t.Helper()
	kubectl(s.t, world.admin, "create namespace "+operatorNamespace)
	s.t.Cleanup(func() { forget(s.t, "namespace/"+operatorNamespace) })
	kubectl(s.t, world.admin, "create serviceaccount operator --namespace="+operatorNamespace)
	kubectl(s.t, world.admin, "create rolebinding operator --clusterrole=edit --serviceaccount="+operatorNamespace+":operator --namespace="+chapterNamespace)
	operator, err := world.serviceAccount(s.t.Context(), operatorNamespace, "operator")
	must(s.t, err)
	eventually(s.t, "what the operator may do", func(ctx context.Context) error {
		out, err := world.kubectl(ctx, operator, "auth can-i create secrets --namespace="+chapterNamespace)
		if err == nil && out.code != 0 {
			err = errors.New(out.text)
		}
		return err
	})
	return operator
}

// whoLabelsNamespaces returns a user who may change namespaces, but may not relax a Guardrail.
func (s *story) whoLabelsNamespaces(name string) *user {
	s.t.Helper()
	kubectl(s.t, world.admin, "create clusterrole labeling --verb=get,list,update,patch --resource=namespaces")
	kubectl(s.t, world.admin, "create clusterrolebinding labeling --clusterrole=labeling --user="+name)
	s.t.Cleanup(func() { forget(s.t, "clusterrole/labeling", "clusterrolebinding/labeling") })
	// She continues the chapter where Alice stopped.
	kubectl(s.t, world.admin, "create rolebinding "+name+" --clusterrole=edit --user="+name+" --namespace="+chapterNamespace)
	made, err := world.addUser(s.t.Context(), name)
	must(s.t, err)
	eventually(s.t, "what "+name+" may do", func(ctx context.Context) error {
		out, err := world.kubectl(ctx, made, "auth can-i patch namespaces")
		if err == nil && out.code != 0 {
			err = errors.New(out.text)
		}
		return err
	})
	return made
}

// awaitSilence waits until the API server no longer sends requests about the namespace, and returns how many it
// has sent until then.
func (s *story) awaitSilence() float64 {
	s.t.Helper()
	var total float64
	eventually(s.t, "nobody to be asked about "+s.namespace, func(ctx context.Context) error {
		before, err := askedTogether(ctx)
		if err != nil {
			return err
		}
		pod := harness.ProbePod(s.namespace, "registry.example/app:1.0.0")
		if _, err := world.alice.client.CoreV1().Pods(s.namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
			return err
		}
		if total, err = askedTogether(ctx); err == nil && total != before {
			err = fmt.Errorf("asked %v times", total-before)
		}
		return err
	})
	return total
}

// awaitRestriction waits until every replica has read a label of the namespace.
func (s *story) awaitRestriction() {
	s.t.Helper()
	if !s.enforces {
		return
	}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "probe"},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeLoadBalancer, Selector: map[string]string{"app": "probe"},
			Ports: []corev1.ServicePort{{Port: 80}},
		},
	}
	agreed(s.t, "a load balancer to be refused", func(ctx context.Context) error {
		_, err := world.alice.client.CoreV1().Services(s.namespace).Create(ctx, service, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if !deniedBy(err) {
			return orAdmitted(err)
		}
		return nil
	})
}

// awaitLimits waits until every replica has read the LimitRange and the quota, and denies what exceeds them.
func (s *story) awaitLimits() {
	s.t.Helper()
	eventually(s.t, "the quota to be counted", func(ctx context.Context) error {
		quota, err := world.admin.client.CoreV1().ResourceQuotas(s.namespace).Get(ctx, "quota", metav1.GetOptions{})
		if err == nil && len(quota.Status.Used) < len(quota.Spec.Hard) {
			err = errors.New("not yet")
		}
		return err
	})
	if !s.enforces {
		return
	}
	big := goodDeployment("probe", backendImage1)
	big.Spec.Template.Spec.Containers[0].Resources.Limits[corev1.ResourceCPU] = *quantity("2")
	agreed(s.t, "two CPUs to be refused", func(ctx context.Context) error {
		_, err := world.alice.client.AppsV1().Deployments(s.namespace).Create(ctx, big, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if !deniedBy(err) {
			return orAdmitted(err)
		}
		return nil
	})
}

// awaitQuota waits until the quota counts only so many Pods: previous ones take time to stop.
func (s *story) awaitQuota(pods string) {
	s.t.Helper()
	eventually(s.t, pods+" Pods to be counted", func(ctx context.Context) error {
		quota, err := world.admin.client.CoreV1().ResourceQuotas(s.namespace).Get(ctx, "quota", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if used := quota.Status.Used[corev1.ResourcePods]; used.Cmp(*quantity(pods)) != 0 {
			return fmt.Errorf("there are %s", used.String())
		}
		return nil
	})
}

// awaitRestarted waits until all Pods of a Deployment have its newest template.
func (s *story) awaitRestarted(name string) {
	s.t.Helper()
	kubectl(s.t, world.alice, "rollout status --timeout=3m deployment/"+name+" --namespace="+s.namespace)
}

// forget deletes what a test created outside of its namespace, after the test.
func forget(t *testing.T, objects ...string) {
	for _, object := range objects {
		out, err := world.kubectl(context.Background(), world.admin, "delete --ignore-not-found "+object) //nolint:usetesting // the test has ended
		if err != nil || out.code != 0 {
			t.Errorf("deleting %s: %v %s", object, err, out.text)
		}
	}
}
