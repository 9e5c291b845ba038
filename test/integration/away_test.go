package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
)

// registerDead registers the entries of the EKS preset, for the namespaces with a label, at an address where
// nothing listens.
func registerDead(t *testing.T, name, label string) {
	t.Helper()
	const dead = "https://127.0.0.1:1"
	here := labeled(label, "yes")
	for _, o := range renderChart(t, chartRelease(name, "eks")) {
		var made client.Object
		switch o.GetKind() {
		case "MutatingWebhookConfiguration":
			typed := &admissionregistrationv1.MutatingWebhookConfiguration{}
			must(t, runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, typed))
			for i := range typed.Webhooks {
				typed.Webhooks[i].ClientConfig, typed.Webhooks[i].NamespaceSelector = redirected(typed.Webhooks[i].ClientConfig, dead), here
			}
			made = typed
		case "ValidatingWebhookConfiguration":
			typed := &admissionregistrationv1.ValidatingWebhookConfiguration{}
			must(t, runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, typed))
			for i := range typed.Webhooks {
				w := &typed.Webhooks[i]
				w.ClientConfig = redirected(w.ClientConfig, dead)
				if w.NamespaceSelector == nil {
					w.ObjectSelector = here // otherwise it would apply to the namespaces of other tests
				} else {
					w.NamespaceSelector = here
				}
			}
			made = typed
		default:
			continue
		}
		must(t, cluster.Admin.Client.Create(t.Context(), made))
	}
	t.Cleanup(func() {
		if err := cluster.Unregister(context.Background(), name+"-taffrail"); err != nil { //nolint:usetesting // it has ended
			t.Error(err)
		}
	})
}

// as returns a client that impersonates a user with all permissions.
func as(t *testing.T, user string) client.Client {
	t.Helper()
	config := rest.CopyConfig(cluster.Admin.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:masters"}}
	made, err := client.New(config, client.Options{Scheme: cluster.Admin.Client.Scheme()})
	must(t, err)
	return made
}

// awayUsers has the users that the page refers to by name.
var awayUsers = map[string]string{
	"people, CI": "carol", "kubelet": "system:node:away", "scheduler": "system:kube-scheduler",
	"CNI": "system:serviceaccount:calico-system:calico-cni-plugin", "an operator": "system:serviceaccount:operators:operator",
}

// The page describes the outcome of every write, and lists the writes that the controllers of a real cluster
// would be refused.
func TestWhatIsRefusedWhileTaffrailIsAway(t *testing.T) {
	t.Parallel()
	name := unique("away")
	label := "test.taffrail.dev/" + name
	namespace := newNamespace(t, name, servedBy("nobody"), label+"=yes")
	healthy := healthyCluster(t, namespace)
	registerDead(t, name, label)
	eventually(t, "the API server to call nobody", func(ctx context.Context) error {
		if err := cluster.Admin.Create(ctx, metadataCarriers(t, namespace)["jobs"], client.DryRunAll).Err; !failedCall(err) {
			return fmt.Errorf("not refused: %w", err)
		}
		return nil
	})

	page := awayPage(t)
	done := map[string]bool{}
	for _, row := range page {
		user := awayUsers[row.by]
		if user == "" {
			user = "system:serviceaccount:kube-system:" + row.by
		}
		err := awayWrite(t, as(t, user), namespace, label, row.write, healthy)
		switch {
		case err != nil && !failedCall(err):
			t.Errorf("%s: %s: %v", row.by, row.write, err)
		case failedCall(err) != (row.result == "refused"):
			t.Errorf("%s: %s: the page says %s, and the answer is %v", row.by, row.write, row.result, err)
		}
		done[row.by+" "+strings.Split(row.write, ",")[0]] = row.result == "refused"
	}
	if len(page) < 60 {
		t.Errorf("only %d rows", len(page))
	}

	// Make the real controllers act, by deleting and scaling.
	for _, o := range []client.Object{healthy.podOf("web"), healthy.podOf("set"), healthy.podOf("run"), healthy.replicaSet} {
		must(t, client.IgnoreNotFound(cluster.Admin.Client.Delete(t.Context(), o, client.GracePeriodSeconds(0))))
	}
	scale := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":3}}`))
	must(t, cluster.Admin.Client.SubResource("scale").Patch(t.Context(), object(t, namespace, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: scaled}}`), scale))
	refused := func(controller, verb, resource string) {
		t.Helper()
		_, err := cluster.Audited(t.Context(), controller+" "+verb+" "+resource, func(e *harness.AuditEvent) bool {
			return e.ObjectRef.Namespace == namespace && e.User.Username == "system:serviceaccount:kube-system:"+controller &&
				e.Verb == verb && e.ObjectRef.Resource == resource && e.ResponseStatus.Code == 500
		})
		must(t, err)
	}
	refused("replicaset-controller", "create", "pods")
	refused("statefulset-controller", "create", "pods")
	refused("job-controller", "create", "pods")
	refused("deployment-controller", "create", "replicasets")
	refused("deployment-controller", "update", "replicasets")
	events, err := cluster.AuditEvents()
	must(t, err)
	for i := range events {
		e := &events[i]
		controller, is := strings.CutPrefix(e.User.Username, "system:serviceaccount:kube-system:")
		if !is || e.ObjectRef.Namespace != namespace || e.ResponseStatus.Code != 500 {
			continue
		}
		resource := e.ObjectRef.Resource
		if e.ObjectRef.Subresource != "" {
			resource += "/" + e.ObjectRef.Subresource
		}
		key := controller + " " + strings.Replace(e.Verb, "patch", "update", 1) + " " + resource
		if !done[key] {
			t.Errorf("refused, and not so on the page: %s", key)
			done[key] = true
		}
	}
}

func failedCall(err error) bool {
	return err != nil && strings.Contains(err.Error(), "failed calling webhook")
}

type awayRow struct{ by, write, result string }

func awayPage(t *testing.T) []awayRow {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(cluster.Root, "charts", "taffrail", "docs", "outage.md"))
	must(t, err)
	var rows []awayRow
	for _, found := range regexp.MustCompile(`(?m)^\| ([^|]+) \| ([^|]+) \| (refused|passes) \|`).FindAllStringSubmatch(string(text), -1) {
		rows = append(rows, awayRow{found[1], found[2], found[3]})
	}
	return rows
}

// healthy has the objects that exist before Taffrail becomes unavailable.
type healthy struct {
	pods       map[string]*corev1.Pod
	replicaSet client.Object
}

func (h *healthy) podOf(owner string) *corev1.Pod { return h.pods[owner].DeepCopy() }

// healthyCluster creates workloads and waits for their controllers to finish.
func healthyCluster(t *testing.T, namespace string) *healthy {
	t.Helper()
	template := func(app, policy string) string {
		return `{metadata: {labels: {app: ` + app + `}}, spec: {restartPolicy: ` + policy + `, containers: [{name: main, image: "app:1.0.0"}]}}`
	}
	for _, manifest := range []string{
		`{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {selector: {matchLabels: {app: web}}, template: ` + template("web", "Always") + `}}`,
		`{apiVersion: apps/v1, kind: Deployment, metadata: {name: scaled}, spec: {selector: {matchLabels: {app: scaled}}, template: ` + template("scaled", "Always") + `}}`,
		`{apiVersion: apps/v1, kind: Deployment, metadata: {name: gone}, spec: {selector: {matchLabels: {app: gone}}, template: ` + template("gone", "Always") + `}}`,
		`{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: set}, spec: {serviceName: set, selector: {matchLabels: {app: set}}, template: ` + template("set", "Always") + `}}`,
		`{apiVersion: batch/v1, kind: Job, metadata: {name: run}, spec: {template: ` + template("run", "Never") + `}}`,
		`{apiVersion: v1, kind: Pod, metadata: {name: alone, labels: {app: alone}}, spec: {containers: [{name: main, image: "app:1.0.0"}]}}`,
		`{apiVersion: v1, kind: Pod, metadata: {name: leaving, finalizers: [example.com/x]}, spec: {containers: [{name: main, image: "app:1.0.0"}]}}`,
		`{apiVersion: v1, kind: Service, metadata: {name: service}, spec: {ports: [{port: 80}]}}`,
		`{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: claim}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}`,
		`{apiVersion: v1, kind: Secret, metadata: {name: secret}}`, `{apiVersion: v1, kind: ConfigMap, metadata: {name: map}}`,
		`{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: lease}}`,
	} {
		must(t, cluster.Admin.Client.Create(t.Context(), object(t, namespace, manifest)))
	}
	leaving := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "leaving"}}
	must(t, cluster.Admin.Client.Delete(t.Context(), leaving, client.GracePeriodSeconds(0)))
	h := &healthy{pods: map[string]*corev1.Pod{}}
	eventually(t, "the controllers to have made their objects", func(ctx context.Context) error {
		var pods corev1.PodList
		if err := cluster.Admin.Client.List(ctx, &pods, client.InNamespace(namespace)); err != nil {
			return err
		}
		for i := range pods.Items {
			h.pods[pods.Items[i].Labels["app"]] = &pods.Items[i]
			h.pods[pods.Items[i].Labels["job-name"]] = &pods.Items[i]
		}
		for _, owner := range []string{"web", "scaled", "gone", "set", "run"} {
			if h.pods[owner] == nil {
				return fmt.Errorf("no Pod of %s", owner)
			}
		}
		sets := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "apps/v1", "kind": "ReplicaSetList"}}
		if err := cluster.Admin.Client.List(ctx, sets, client.InNamespace(namespace), client.MatchingLabels{"app": "gone"}); err != nil {
			return err
		}
		if len(sets.Items) != 1 {
			return errors.New("no ReplicaSet")
		}
		h.replicaSet = &sets.Items[0]
		return nil
	})
	return h
}

// awayWrite performs a write from the page, as a dry run.
func awayWrite(t *testing.T, c client.Client, namespace, label, write string, h *healthy) error {
	t.Helper()
	verb, rest, _ := strings.Cut(write, " ")
	target, how, _ := strings.Cut(rest, ", ")
	resource, subresource, _ := strings.Cut(target, "/")
	stored := awayStored(t, namespace, resource, h)
	if subresource == "eviction" || subresource == "binding" {
		pod := object(t, namespace, `{apiVersion: v1, kind: Pod, metadata: {name: x}}`)
		pod.SetName(stored.GetName())
		stored = pod
	}
	switch {
	case verb == "delete":
		return c.Delete(t.Context(), stored, client.DryRunAll)
	case verb == "create" && subresource == "eviction":
		return c.SubResource("eviction").Create(t.Context(), stored, object(t, namespace, `{apiVersion: policy/v1, kind: Eviction, metadata: {name: `+stored.GetName()+`}}`), client.DryRunAll)
	case verb == "create" && subresource == "binding":
		return c.SubResource("binding").Create(t.Context(), stored, object(t, namespace, `{apiVersion: v1, kind: Binding, metadata: {name: `+stored.GetName()+`}, target: {kind: Node, name: x}}`), client.DryRunAll)
	case verb == "create" && subresource == "token":
		return c.SubResource("token").Create(t.Context(), stored, object(t, "", `{apiVersion: authentication.k8s.io/v1, kind: TokenRequest}`), client.DryRunAll)
	case verb == "create":
		return c.Create(t.Context(), awayNew(t, namespace, label, resource, how), client.DryRunAll)
	}
	patch := `{"metadata":{"labels":{"changed":"yes"}}}`
	switch {
	case how == "the last finalizer of a deletion":
		stored.SetName("leaving")
		patch = `{"metadata":{"finalizers":null}}`
	case how == "an annotation":
		patch = `{"metadata":{"annotations":{"changed":"yes"}}}`
	case subresource == "status" && resource == "services":
		patch = `{"status":{"conditions":[{"type":"Ready","status":"True","reason":"A","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`
	case subresource == "status" && resource == "pods":
		patch = `{"status":{"message":"changed"}}`
	case subresource == "status":
		patch = `{"status":{"conditions":null}}`
	case subresource == "scale":
		patch = `{"spec":{"replicas":2}}`
	case subresource == "finalize":
		body := stored.DeepCopyObject().(client.Object)
		must(t, c.Get(t.Context(), client.ObjectKeyFromObject(stored), body))
		return c.SubResource("finalize").Update(t.Context(), body, client.DryRunAll)
	case subresource == "ephemeralcontainers":
		body := h.podOf("alone")
		body.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug", Image: "app:1.0.0"}}}
		return c.SubResource("ephemeralcontainers").Update(t.Context(), body, client.DryRunAll)
	case subresource == "resize":
		patch = `{"spec":{"containers":[{"name":"main","resources":{}}]}}`
		return c.SubResource("resize").Patch(t.Context(), stored, client.RawPatch(types.StrategicMergePatchType, []byte(patch)), client.DryRunAll)
	}
	raw := client.RawPatch(types.MergePatchType, []byte(patch))
	if subresource != "" {
		return c.SubResource(subresource).Patch(t.Context(), stored, raw, client.DryRunAll)
	}
	return c.Patch(t.Context(), stored, raw, client.DryRunAll)
}

// awayStored returns an existing object.
func awayStored(t *testing.T, namespace, resource string, h *healthy) client.Object {
	t.Helper()
	of := func(manifest string) client.Object { return object(t, namespace, manifest) }
	switch resource {
	case "pods":
		return h.podOf("alone")
	case "deployments":
		return of(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}`)
	case "replicasets":
		set := of(`{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: x}}`)
		set.SetName(h.replicaSet.GetName())
		return set
	case "jobs":
		return of(`{apiVersion: batch/v1, kind: Job, metadata: {name: run}}`)
	case "services":
		return of(`{apiVersion: v1, kind: Service, metadata: {name: service}}`)
	case "persistentvolumeclaims":
		return of(`{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: claim}}`)
	case "secrets":
		return of(`{apiVersion: v1, kind: Secret, metadata: {name: secret}}`)
	case "configmaps":
		return of(`{apiVersion: v1, kind: ConfigMap, metadata: {name: map}}`)
	case "leases":
		return of(`{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: lease}}`)
	case "serviceaccounts":
		return of(`{apiVersion: v1, kind: ServiceAccount, metadata: {name: default}}`)
	case "namespaces":
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	case "guardrails":
		return object(t, "", `{apiVersion: taffrail.dev/v1alpha1, kind: Guardrail, metadata: {name: restricted}}`)
	case "nodes":
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
		must(t, client.IgnoreAlreadyExists(cluster.Admin.Client.Create(t.Context(), node.DeepCopy())))
		t.Cleanup(func() { _ = cluster.Admin.Client.Delete(context.Background(), node) }) //nolint:usetesting // it has ended
		return node
	}
	return nil
}

// awayNew returns an object to create.
func awayNew(t *testing.T, namespace, label, resource, how string) client.Object {
	t.Helper()
	if how == "a mirror Pod" {
		pod := metadataCarriers(t, namespace)["pods"]
		pod.SetAnnotations(map[string]string{corev1.MirrorPodAnnotationKey: "0123456789abcdef"})
		must(t, unstructured.SetNestedField(pod.Object, "away", "spec", "nodeName"))
		return pod
	}
	if resource == "namespaces" {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace + "-new", Labels: map[string]string{label: "yes"}}}
	}
	if o := metadataCarriers(t, namespace)[resource]; o != nil {
		return o
	}
	manifest := map[string]string{
		"horizontalpodautoscalers": `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: x}, spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}}`,
		"poddisruptionbudgets":     `{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: x}, spec: {maxUnavailable: 1, selector: {matchLabels: {app: web}}}}`,
		"serviceaccounts":          `{apiVersion: v1, kind: ServiceAccount, metadata: {name: x}}`,
		"rolebindings":             `{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: x}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}}`,
		"endpointslices":           `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: x}, addressType: IPv4, endpoints: []}`,
		"endpoints":                `{apiVersion: v1, kind: Endpoints, metadata: {name: x}}`,
		"events":                   `{apiVersion: v1, kind: Event, metadata: {name: x}, involvedObject: {kind: Pod, name: alone, namespace: ` + namespace + `}}`,
	}[resource]
	if manifest == "" {
		t.Fatalf("the page names %s, which this test cannot make", resource)
	}
	return object(t, namespace, manifest)
}
