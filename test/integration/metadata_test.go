package integration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
)

const (
	podTemplate = `{metadata: {labels: {app: x}}, spec: {restartPolicy: %s, containers: [{name: main, image: "app:1.0.0"}]}}`
	carrying    = `metadata: {name: x, labels: {app: x}, annotations: {team: shop}}`
)

// metadataCarriers returns an object with the annotation team of each kind that the library covers, by
// resource. They start no Pods.
func metadataCarriers(t *testing.T, namespace string) map[string]*unstructured.Unstructured {
	t.Helper()
	always, never := fmt.Sprintf(podTemplate, "Always"), fmt.Sprintf(podTemplate, "Never")
	const selector = `selector: {matchLabels: {app: x}}`
	all := map[string]*unstructured.Unstructured{}
	for resource, manifest := range map[string]string{
		"pods":                   `{apiVersion: v1, kind: Pod, metadata: {name: x, labels: {app: alone}, annotations: {team: shop}}, spec: {containers: [{name: main, image: "app:1.0.0"}]}}`,
		"services":               `{apiVersion: v1, kind: Service, ` + carrying + `, spec: {ports: [{port: 80}]}}`,
		"persistentvolumeclaims": `{apiVersion: v1, kind: PersistentVolumeClaim, ` + carrying + `, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}`,
		"replicationcontrollers": `{apiVersion: v1, kind: ReplicationController, ` + carrying + `, spec: {replicas: 0, selector: {app: x}, template: ` + always + `}}`,
		"configmaps":             `{apiVersion: v1, kind: ConfigMap, ` + carrying + `}`,
		"secrets":                `{apiVersion: v1, kind: Secret, ` + carrying + `}`,
		"deployments":            `{apiVersion: apps/v1, kind: Deployment, ` + carrying + `, spec: {replicas: 0, ` + selector + `, template: ` + always + `}}`,
		"statefulsets":           `{apiVersion: apps/v1, kind: StatefulSet, ` + carrying + `, spec: {serviceName: x, replicas: 0, ` + selector + `, template: ` + always + `}}`,
		"daemonsets":             `{apiVersion: apps/v1, kind: DaemonSet, ` + carrying + `, spec: {` + selector + `, template: ` + always + `}}`,
		"replicasets":            `{apiVersion: apps/v1, kind: ReplicaSet, ` + carrying + `, spec: {replicas: 0, ` + selector + `, template: ` + always + `}}`,
		"controllerrevisions":    `{apiVersion: apps/v1, kind: ControllerRevision, ` + carrying + `, revision: 1, data: {a: b}}`,
		"jobs":                   `{apiVersion: batch/v1, kind: Job, ` + carrying + `, spec: {suspend: true, template: ` + never + `}}`,
		"cronjobs":               `{apiVersion: batch/v1, kind: CronJob, ` + carrying + `, spec: {schedule: "0 0 1 1 *", jobTemplate: {spec: {template: ` + never + `}}}}`,
		"ingresses":              `{apiVersion: networking.k8s.io/v1, kind: Ingress, ` + carrying + `, spec: {defaultBackend: {service: {name: x, port: {number: 80}}}}}`,
	} {
		all[resource] = object(t, namespace, manifest)
	}
	all["namespaces"] = object(t, "", `{apiVersion: v1, kind: Namespace, metadata: {name: `+namespace+`-x, annotations: {team: shop}}}`)
	return all
}

// subresources returns the writable subresources of a resource, read from the API server.
func subresources(t *testing.T, resource string, kind schema.GroupVersionKind) []string {
	t.Helper()
	asking, err := discovery.NewDiscoveryClientForConfig(cluster.Admin.Config)
	must(t, err)
	list, err := asking.ServerResourcesForGroupVersion(kind.GroupVersion().String())
	must(t, err)
	var found []string
	for i := range list.APIResources {
		r := &list.APIResources[i]
		name, subresource, below := strings.Cut(r.Name, "/")
		writes := slices.ContainsFunc([]string(r.Verbs), func(verb string) bool { return verb == "update" || verb == "patch" || verb == "create" })
		// A CONNECT has no object.
		connects := slices.Contains([]string{"proxy", "exec", "attach", "portforward"}, subresource)
		if below && name == resource && writes && !connects {
			found = append(found, subresource)
		}
	}
	return found
}

// writeMetadata writes the annotation team=other through a subresource.
func writeMetadata(ctx context.Context, t *testing.T, stored *unstructured.Unstructured, subresource string) error {
	t.Helper()
	labels, annotations := map[string]string{"team": "other"}, map[string]string{"team": "other"}
	body := stored.DeepCopy()
	switch subresource {
	case "binding":
		body = object(t, stored.GetNamespace(), `{apiVersion: v1, kind: Binding, metadata: {name: x}, target: {kind: Node, name: nowhere}}`)
	case "eviction":
		body = object(t, stored.GetNamespace(), `{apiVersion: policy/v1, kind: Eviction, metadata: {name: x}}`)
	case "scale":
		body = &unstructured.Unstructured{}
		body.SetAPIVersion("autoscaling/v1")
		body.SetKind("Scale")
		must(t, cluster.Admin.Client.SubResource("scale").Get(ctx, stored, body))
	}
	body.SetName(stored.GetName())
	body.SetLabels(labels)
	body.SetAnnotations(annotations)
	writer := cluster.Admin.Client.SubResource(subresource)
	if subresource == "binding" || subresource == "eviction" {
		return writer.Create(ctx, stored.DeepCopy(), body)
	}
	return writer.Update(ctx, stored.DeepCopy(), client.WithSubResourceBody(body))
}

// Which subresources accept labels and annotations depends on the version of the API server. The rules must
// name all of them.
func TestWhichSubresourcesCarryMetadata(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "carrying", servedBy("nobody"))
	named := map[string]bool{}
	for _, w := range registeredEntries(t) {
		if w.Name != "metadata.validate.taffrail.dev" {
			continue
		}
		for _, rule := range w.Rules {
			for _, resource := range rule.Resources {
				named[resource] = true
			}
		}
	}
	if !named["bindings"] {
		t.Error("the older way of binding is not named")
	}
	// A kind in extraKinds names its own.
	named["ingresses/status"] = true
	found := 0
	for resource, made := range metadataCarriers(t, namespace) {
		for _, subresource := range subresources(t, resource, made.GroupVersionKind()) {
			o := made.DeepCopy()
			o.SetName(strings.ReplaceAll("x-"+resource+"-"+subresource, "/", "-"))
			if resource == "namespaces" {
				o.SetName(namespace + "-" + subresource)
				o.SetLabels(map[string]string{harness.ServerLabel: "nobody"})
			}
			must(t, cluster.Admin.Client.Create(t.Context(), o))
			var err error
			eventually(t, resource+"/"+subresource, func(ctx context.Context) error {
				// Its controller writes too.
				stored := o.DeepCopy()
				if err := cluster.Admin.Client.Get(ctx, client.ObjectKeyFromObject(o), stored); err != nil {
					return err
				}
				if err = writeMetadata(ctx, t, stored, subresource); err != nil && strings.Contains(err.Error(), "the object has been modified") {
					return err
				}
				return nil
			})
			if subresource == "eviction" {
				continue // it deletes the Pod
			}
			after := o.DeepCopy()
			must(t, cluster.Admin.Client.Get(t.Context(), client.ObjectKeyFromObject(o), after))
			carried := after.GetAnnotations()["team"] == "other" || after.GetLabels()["team"] == "other"
			if !carried && subresource == "status" || err != nil {
				t.Errorf("%s/%s: written without effect: %v", resource, subresource, err)
			}
			if carried != named[resource+"/"+subresource] {
				t.Errorf("%s/%s: carries labels or annotations: %t, named by the rules: %t", resource, subresource, carried, named[resource+"/"+subresource])
			}
			if carried {
				found++
			}
		}
	}
	if found < 12 {
		t.Errorf("only %d subresources carry anything", found)
	}
}

// registeredEntries returns the validating entries of the main registration.
func registeredEntries(t *testing.T) []admissionregistrationv1.ValidatingWebhook {
	t.Helper()
	var configuration admissionregistrationv1.ValidatingWebhookConfiguration
	must(t, cluster.Admin.Client.Get(t.Context(), client.ObjectKey{Name: "taffrail"}, &configuration))
	return configuration.Webhooks
}

// ownedPolicy returns a Policy that requires the annotation team=shop on the given kinds.
func ownedPolicy(name string, kinds ...string) *v1alpha1.Policy {
	p := ownPolicy(name, `deny contains {"msg": "the annotation team is not shop", "path": "metadata.annotations"} if {
	object.get(input.object, ["metadata", "annotations", "team"], "") != "shop"
}`)
	p.Spec.Rego = strings.Replace(p.Spec.Rego, "kinds: [ConfigMap]", "kinds: ["+strings.Join(kinds, ", ")+"]", 1)
	return p
}

// Whoever may only write status cannot remove what policies read, and writes of status itself are not affected.
func TestLabelsAndAnnotationsByWayOfStatus(t *testing.T) {
	t.Parallel()
	label := unique("by-status")
	namespace := newNamespace(t, label, "test.taffrail.dev/own="+label)
	name := "own-" + label
	putPolicy(t, ownedPolicy(name, "Pod", "Service", "PersistentVolumeClaim", "ReplicationController", "Deployment.apps", "StatefulSet.apps",
		"DaemonSet.apps", "ReplicaSet.apps", "Job.batch", "CronJob.batch"))
	g := binding(name, label, name, "loadbalancer-exposure")
	putGuardrail(t, g)
	status := newUser(t, "only-status", rbacv1.PolicyRule{
		APIGroups: []string{"", "apps", "batch"}, Verbs: []string{"get", "update", "patch"},
		Resources: []string{
			"services/status", "pods/status", "persistentvolumeclaims/status", "replicationcontrollers/status", "deployments/status", "statefulsets/status",
			"daemonsets/status", "replicasets/status", "jobs/status", "cronjobs/status",
		},
	})
	for resource, o := range metadataCarriers(t, namespace) {
		if slices.Contains([]string{"configmaps", "secrets", "namespaces", "controllerrevisions", "ingresses"}, resource) {
			continue
		}
		admit(t, resource, cluster.Admin.Create(t.Context(), o))
		for change, patch := range map[string]string{
			"goes": `{"metadata":{"annotations":{"team":null}}}`, "all go": `{"metadata":{"annotations":null}}`, "changes": `{"metadata":{"annotations":{"team":"other"}}}`,
		} {
			answer := status.PatchStatus(t.Context(), o.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch)))
			if words := deny(t, resource+", the annotation "+change, answer); !strings.Contains(words, o.GetKind()+"/status "+namespace+"/x is denied by 1 policy:\n- "+name) {
				t.Errorf("%s: refused for:\n%s", resource, words)
			}
		}
		// Together with a change of the status, as by a controller.
		admit(t, resource+", another annotation", status.PatchStatus(t.Context(), o.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"other":"x"}}}`))))
	}

	service := object(t, namespace, `{apiVersion: v1, kind: Service, metadata: {name: public, labels: {app: x}, annotations: {
		team: shop, service.beta.kubernetes.io/aws-load-balancer-scheme: internal}}, spec: {type: LoadBalancer, loadBalancerClass: service.k8s.aws/nlb, selector: {app: x}, ports: [{port: 80}]}}`)
	admit(t, "an internal load balancer", cluster.Admin.Create(t.Context(), service))
	scheme := func(value string) *harness.Answer {
		patch := `{"metadata":{"annotations":{"service.beta.kubernetes.io/aws-load-balancer-scheme":` + value + `}},"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1"}]}}}`
		return status.PatchStatus(t.Context(), service.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch)))
	}
	if words := deny(t, "the scheme goes", scheme("null")); !strings.Contains(words, "loadbalancer-exposure") {
		t.Errorf("refused for:\n%s", words)
	}
	admit(t, "an address", scheme(`"internal"`))
}

// A Binding adds labels and annotations to its Pod, through both resources that bind Pods.
func TestAnnotationsByWayOfBindings(t *testing.T) {
	t.Parallel()
	label := unique("by-binding")
	namespace := newNamespace(t, label, "test.taffrail.dev/own="+label)
	name := "own-" + label
	putPolicy(t, ownedPolicy(name, "Pod"))
	putGuardrail(t, binding(name, label, name))
	pod := metadataCarriers(t, namespace)["pods"]
	admit(t, "a Pod", cluster.Admin.Create(t.Context(), pod))
	bind := func(metadata string) *unstructured.Unstructured {
		return object(t, namespace, `{apiVersion: v1, kind: Binding, metadata: {name: x`+metadata+`}, target: {kind: Node, name: nowhere}}`)
	}
	for way, write := range map[string]func(*unstructured.Unstructured) error{
		"pods/binding": func(b *unstructured.Unstructured) error {
			return cluster.Admin.Client.SubResource("binding").Create(t.Context(), pod.DeepCopy(), b, client.DryRunAll)
		},
		"bindings": func(b *unstructured.Unstructured) error {
			return cluster.Admin.Client.Create(t.Context(), b, client.DryRunAll)
		},
	} {
		if err := write(bind(`, annotations: {team: other}`)); err == nil || !strings.Contains(err.Error(), "the annotation team is not shop") {
			t.Errorf("%s: %v", way, err)
		}
		for _, fine := range []string{"", `, annotations: {other: x}`, `, labels: {other: x}`, `, annotations: {team: shop}`} {
			if err := write(bind(fine)); err != nil {
				t.Errorf("%s%s: %v", way, fine, err)
			}
		}
	}
}

// Frequent writes of status must cost nothing: the API server sends only changes of labels or annotations.
func TestOrdinaryStatusIsNeverSent(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "unsent", servedBy("nobody"))
	webhook := newAsked(t)
	registerCharted(t, chartRelease("unsent", "eks"), namespace, webhook.address)
	eventually(t, "the API server to call the chart's webhooks", func(ctx context.Context) error {
		o := metadataCarriers(t, namespace)["configmaps"]
		o.SetName("first")
		if err := cluster.Admin.Create(ctx, o, client.DryRunAll).Err; err != nil {
			return err
		}
		if !webhook.about("/validate", "first") {
			return errors.New("not called")
		}
		return nil
	})
	node, err := cluster.NewUser("system:node:unsent", "system:masters")
	must(t, err)
	for resource, o := range metadataCarriers(t, namespace) {
		if slices.Contains([]string{"configmaps", "secrets", "namespaces", "controllerrevisions", "ingresses"}, resource) {
			continue
		}
		o.SetName("x-" + resource)
		admit(t, resource, cluster.Admin.Create(t.Context(), o))
		before := webhook.subresources()
		status := `{"observedGeneration":1}`
		switch resource {
		case "pods":
			status = `{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}`
		case "services":
			status = `{"conditions":[{"type":"Ready","status":"True","reason":"A","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}`
		case "persistentvolumeclaims":
			status = `{"phase":"Pending"}`
		case "jobs", "cronjobs":
			status = `{"active":null}`
		}
		for _, patch := range []string{`{"status":` + status + `}`, `{"metadata":{"finalizers":["example.com/x"]}}`, `{"metadata":{"finalizers":null}}`} {
			admit(t, resource+" "+patch, node.PatchStatus(t.Context(), o.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch))))
		}
		if sent := webhook.subresources() - before; sent > 0 {
			t.Errorf("%s: %d requests about a status", resource, sent)
		}
		admit(t, resource, node.PatchStatus(t.Context(), o.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"b":"c"}}}`))))
		if sent := webhook.subresources() - before; sent < 1 { // a patch is sent again after a conflict
			t.Errorf("%s: nobody was asked about an annotation", resource)
		}
	}
	pod := metadataCarriers(t, namespace)["pods"]
	admit(t, "a Pod", cluster.Admin.Create(t.Context(), pod))
	before := webhook.subresources()
	bind := object(t, namespace, `{apiVersion: v1, kind: Binding, metadata: {name: x, labels: {topology.kubernetes.io/zone: a}}, target: {kind: Node, name: nowhere}}`)
	must(t, cluster.Admin.Client.SubResource("binding").Create(t.Context(), pod.DeepCopy(), bind))
	if sent := webhook.subresources() - before; sent > 0 {
		t.Errorf("%d requests about what a scheduler binds", sent)
	}
}

// The deployment controller writes revision numbers through a Deployment's status. No policy may block a
// rollout by that.
func TestRolloutsNumberTheirRevisions(t *testing.T) {
	t.Parallel()
	label := unique("numbered")
	namespace := newNamespace(t, label, "test.taffrail.dev/own="+label)
	name := "own-" + label
	p := ownedPolicy(name, "Deployment.apps")
	p.Spec.Rego = strings.Replace(p.Spec.Rego, `["metadata", "annotations", "team"], "") != "shop"`, `["metadata", "annotations", "deployment.kubernetes.io/revision"], "") != ""`, 1)
	putPolicy(t, p)
	putGuardrail(t, binding(name, label, name))
	deployment := metadataCarriers(t, namespace)["deployments"]
	admit(t, "a Deployment", cluster.Admin.Create(t.Context(), deployment))
	eventually(t, "the revision", func(ctx context.Context) error {
		if err := cluster.Admin.Client.Get(ctx, client.ObjectKeyFromObject(deployment), deployment); err != nil {
			return err
		}
		if deployment.GetAnnotations()["deployment.kubernetes.io/revision"] != "1" {
			return fmt.Errorf("annotations %v", slices.Sorted(maps.Keys(deployment.GetAnnotations())))
		}
		return nil
	})
}
