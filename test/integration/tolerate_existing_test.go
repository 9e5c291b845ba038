package integration

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"taffrail.dev/webhook/api/v1alpha1"
)

// existingGuardrail enforces what the objects of these tests violate, in namespaces labeled
// test.taffrail.dev/late=name.
func existingGuardrail(name string, existing v1alpha1.Existing) *v1alpha1.Guardrail {
	g := &v1alpha1.Guardrail{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion().String(), Kind: "Guardrail"},
		ObjectMeta: metav1.ObjectMeta{Name: unique("existing-" + name)},
	}
	g.Spec.Mode, g.Spec.Existing = v1alpha1.ModeEnforce, existing
	g.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"test.taffrail.dev/late": name}}
	for _, policy := range []string{
		"image-tag", "require-probes", "require-prestop", "limitrange-fit", "env-credentials", "plaintext-secret",
		"configmap-credentials", "rollback-history", "inject-resources",
	} {
		g.Spec.Policies = append(g.Spec.Policies, v1alpha1.PolicyBinding{Name: policy})
	}
	for policy, parameters := range map[string]string{
		"min-replicas":            `{"minimum": 5}`,
		"restricted-service-type": `{"types": ["LoadBalancer", "NodePort"]}`,
		"cronjob-schedule":        `{"minimumIntervalSeconds": 600}`,
	} {
		g.Spec.Policies = append(g.Spec.Policies, v1alpha1.PolicyBinding{
			Name: policy, Parameters: &apiextensionsv1.JSON{Raw: []byte(parameters)},
		})
	}
	return g
}

// object parses a manifest for a namespace.
func object(t *testing.T, namespace, manifest string) *unstructured.Unstructured {
	t.Helper()
	read := &unstructured.Unstructured{}
	must(t, yaml.Unmarshal([]byte(manifest), &read.Object))
	read.SetNamespace(namespace)
	return read
}

// oldDeployment violates every policy of existingGuardrail about Deployments: container app violates everything
// that a container can, and container aside nothing.
const oldDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: old}
spec:
  replicas: 3
  selector: {matchLabels: {app: old}}
  template:
    metadata: {labels: {app: old}}
    spec:
      containers:
      - name: app
        image: nginx
        ports: [{containerPort: 80}]
        env: [{name: DB_PASSWORD, value: first-literal-7}]
        resources: {limits: {memory: 4Gi}}
      - name: aside
        image: helper:1.0.0
        ports: [{containerPort: 81}]
        readinessProbe: {httpGet: {port: 81}}
        livenessProbe: {httpGet: {port: 81}, initialDelaySeconds: 5}
        lifecycle: {preStop: {sleep: {seconds: 5}}}
        resources: {limits: {memory: 1Gi}}
`

// edit is a JSON Patch of an object that predates the Guardrail.
type edit struct {
	patch string
	// denied lists the policies that deny it, and container the one that they name. It is empty if the edit is
	// admitted.
	denied    []string
	container string
	// words occur in the denial.
	words string
}

var denying = regexp.MustCompile(`(?m)^- ([a-z-]+)(?:, container "([^"]*)")?:`)

// check applies the edit as a dry run, so that every edit starts from the same object. A denial contains only
// new violations, and existing ones are warnings.
func (e edit) check(t *testing.T, old client.Object, tolerated ...string) {
	t.Helper()
	patched, _ := old.DeepCopyObject().(client.Object)
	answer := cluster.Alice.Patch(t.Context(), patched, client.RawPatch(types.JSONPatchType, []byte(e.patch)), client.DryRunAll)
	if len(e.denied) == 0 {
		admit(t, e.patch, answer)
		for _, policy := range tolerated {
			if !slices.ContainsFunc(answer.Warnings, func(w string) bool {
				return strings.HasPrefix(w, policy) && strings.Contains(w, ": tolerated: ")
			}) {
				t.Errorf("no warning says that %s is tolerated: %q", policy, answer.Warnings)
			}
		}
		return
	}
	words := deny(t, e.patch, answer)
	var policies []string
	for _, match := range denying.FindAllStringSubmatch(words, -1) {
		policies = append(policies, match[1])
		if match[2] != e.container {
			t.Errorf("container %q is named, want %q", match[2], e.container)
		}
	}
	if d := diff(e.denied, policies); d != "" || !strings.Contains(words, e.words) {
		t.Errorf("denied for:\n%s\n%s", words, d)
	}
}

// A Deployment that violates nearly everything can be scaled, annotated, rolled out and fixed step by step, but
// not made worse.
func TestTolerateExistingOfADeployment(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "tolerant", "test.taffrail.dev/late=tolerant")
	limits := object(t, namespace, `{apiVersion: v1, kind: LimitRange, metadata: {name: team}, spec: {limits: [{type: Container, max: {memory: 2Gi}}]}}`)
	must(t, cluster.Admin.Client.Create(t.Context(), limits))
	old := object(t, namespace, oldDeployment)
	admit(t, "the old Deployment", cluster.Alice.Create(t.Context(), old))
	enforceLate(t, existingGuardrail("tolerant", v1alpha1.ExistingTolerate), namespace)

	const container = `/spec/template/spec/containers/0`
	for name, e := range map[string]edit{
		"it is scaled up":                    {patch: `[{"op":"replace","path":"/spec/replicas","value":4}]`},
		"it is scaled to nothing":            {patch: `[{"op":"replace","path":"/spec/replicas","value":0}]`},
		"it is annotated":                    {patch: `[{"op":"add","path":"/metadata/annotations","value":{"on-call":"looked at it"}}]`},
		"it is labeled":                      {patch: `[{"op":"add","path":"/metadata/labels","value":{"team":"shop"}}]`},
		"it is rolled":                       {patch: `[{"op":"add","path":"/spec/template/metadata/annotations","value":{"kubectl.kubernetes.io/restartedAt":"2026-01-01T00:00:00Z"}}]`},
		"it is paused":                       {patch: `[{"op":"add","path":"/spec/paused","value":true}]`},
		"a variable is added":                {patch: `[{"op":"add","path":"` + container + `/env/-","value":{"name":"LOG_LEVEL","value":"debug"}}]`},
		"its leaked password is replaced":    {patch: `[{"op":"replace","path":"` + container + `/env/0/value","value":"second-literal-8"}]`},
		"its CPU changes":                    {patch: `[{"op":"add","path":"` + container + `/resources/limits/cpu","value":"2"}]`},
		"its containers change places":       {patch: `[{"op":"move","from":"` + container + `","path":"/spec/template/spec/containers/1"}]`},
		"its image is fixed":                 {patch: `[{"op":"replace","path":"` + container + `/image","value":"nginx:1.27.3"}]`},
		"its limit comes nearer to right":    {patch: `[{"op":"replace","path":"` + container + `/resources/limits/memory","value":"3Gi"}]`},
		"a container goes":                   {patch: `[{"op":"remove","path":"/spec/template/spec/containers/1"}]`},
		"it is scaled down, as less than it": {patch: `[{"op":"replace","path":"/spec/replicas","value":2}]`, denied: []string{"min-replicas"}, words: "there are 2 replicas, fewer than 5, worse than in the stored object"},
		"its image is another without a tag": {patch: `[{"op":"replace","path":"` + container + `/image","value":"evil"}]`, denied: []string{"image-tag"}, container: "app", words: `image "evil" has no tag`},
		"its image is latest": {
			patch:  `[{"op":"replace","path":"` + container + `/image","value":"evil:latest"}]`,
			denied: []string{"image-tag"}, container: "app", words: `image "evil:latest" has the tag latest`,
		},
		"its limit goes farther from right": {
			patch:  `[{"op":"replace","path":"` + container + `/resources/limits/memory","value":"5Gi"}]`,
			denied: []string{"limitrange-fit"}, container: "app", words: "memory limit 5Gi is over the maximum of 2Gi (LimitRange/team), worse than in the stored object",
		},
		"a limit that was right is wrong": {
			patch:  `[{"op":"replace","path":"/spec/template/spec/containers/1/resources/limits/memory","value":"3Gi"}]`,
			denied: []string{"limitrange-fit"}, container: "aside", words: "memory limit 3Gi is over the maximum of 2Gi (LimitRange/team)\n",
		},
		"its container is renamed": {
			patch:     `[{"op":"replace","path":"` + container + `/name","value":"web"}]`,
			denied:    []string{"env-credentials", "image-tag", "limitrange-fit", "require-prestop", "require-probes", "require-probes"},
			container: "web",
		},
		"a violation moves to another container": {
			patch:  `[{"op":"replace","path":"` + container + `/image","value":"nginx:1.27.3"},{"op":"replace","path":"/spec/template/spec/containers/1/image","value":"nginx"}]`,
			denied: []string{"image-tag"}, container: "aside",
		},
		"two containers swap their probes": {
			patch: `[{"op":"move","from":"/spec/template/spec/containers/1/readinessProbe","path":"` + container + `/readinessProbe"},` +
				`{"op":"move","from":"/spec/template/spec/containers/1/livenessProbe","path":"` + container + `/livenessProbe"}]`,
			denied: []string{"require-probes", "require-probes"}, container: "aside",
		},
		"a third container is as bad as the first": {
			patch:  `[{"op":"add","path":"/spec/template/spec/containers/-","value":{"name":"third","image":"nginx","readinessProbe":{"tcpSocket":{"port":1}},"livenessProbe":{"tcpSocket":{"port":1}}}}]`,
			denied: []string{"image-tag"}, container: "third",
		},
		"its history goes": {
			patch:  `[{"op":"replace","path":"/spec/revisionHistoryLimit","value":0}]`,
			denied: []string{"rollback-history"},
		},
		"another credential is in another variable": {
			patch:  `[{"op":"add","path":"` + container + `/env/-","value":{"name":"API_TOKEN","value":"second-literal-8"}}]`,
			denied: []string{"env-credentials"}, container: "app", words: `"API_TOKEN" holds a credential as a literal value`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			tolerated := []string{"env-credentials", "require-probes"}
			if name == "it is scaled to nothing" {
				tolerated = nil
			}
			e.check(t, old, tolerated...)
		})
	}

	t.Run("it is scaled by kubectl scale", func(t *testing.T) {
		scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 1}}
		scale.Name, scale.Namespace = old.GetName(), namespace
		admit(t, "scaling", cluster.Alice.UpdateSubresource(t.Context(), "scale", old.DeepCopy(), scale))
		deployment := &appsv1.Deployment{}
		must(t, cluster.Alice.Client.Get(t.Context(), client.ObjectKeyFromObject(old), deployment))
		if *deployment.Spec.Replicas != 1 {
			t.Errorf("it has %d replicas", *deployment.Spec.Replicas)
		}
	})
	t.Run("it is rolled and becomes a ReplicaSet", func(t *testing.T) {
		deployment := &appsv1.Deployment{}
		must(t, cluster.Alice.Client.Get(t.Context(), client.ObjectKeyFromObject(old), deployment))
		answer := admit(t, "a restart", cluster.Alice.Patch(t.Context(), deployment, changed(deployment, func() {
			deployment.Spec.Template.Annotations = map[string]string{"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
		})))
		for _, warning := range answer.Warnings {
			if strings.Contains(warning, "first-literal-7") {
				t.Errorf("a credential is printed: %s", warning)
			}
		}
	})
	t.Run("it is deleted", func(t *testing.T) {
		admit(t, "deleting", cluster.Alice.Delete(t.Context(), old))
	})
}

// Existing violations of other kinds are tolerated as well.
func TestTolerateExistingOfOtherKinds(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "tolerant-kinds", "test.taffrail.dev/late=tolerant-kinds")
	olds := map[string]*unstructured.Unstructured{}
	for _, manifest := range []string{
		`{apiVersion: v1, kind: Service, metadata: {name: front}, spec: {type: NodePort, selector: {app: a}, ports: [{name: http, port: 80}]}}`,
		`{apiVersion: v1, kind: Secret, metadata: {name: db, annotations: {a: b}}, data: {password: Zmlyc3Q=, user: YWRtaW4=}}`,
		`{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {DB_PASSWORD: first-literal-7, app.properties: "level=info\ndb.password=first-literal-7\n"}}`,
		`{apiVersion: batch/v1, kind: CronJob, metadata: {name: often}, spec: {schedule: "*/2 * * * *", timeZone: Etc/UTC, suspend: true,
		jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: "a:1"}]}}}}}}`,
	} {
		old := object(t, namespace, manifest)
		admit(t, old.GetName(), cluster.Alice.Create(t.Context(), old))
		olds[old.GetKind()] = old
	}
	enforceLate(t, existingGuardrail("tolerant-kinds", v1alpha1.ExistingTolerate), namespace)

	for name, test := range map[string]struct {
		kind string
		edit
	}{
		"a port of a NodePort":              {"Service", edit{patch: `[{"op":"add","path":"/spec/ports/-","value":{"name":"admin","port":81}}]`}},
		"a NodePort becomes a LoadBalancer": {"Service", edit{patch: `[{"op":"replace","path":"/spec/type","value":"LoadBalancer"}]`, denied: []string{"restricted-service-type"}, words: "type LoadBalancer is not allowed in this namespace"}},
		"a NodePort becomes a ClusterIP":    {"Service", edit{patch: `[{"op":"replace","path":"/spec/type","value":"ClusterIP"},{"op":"remove","path":"/spec/ports/0/nodePort"}]`}},

		"a key of a Secret goes":           {"Secret", edit{patch: `[{"op":"remove","path":"/data/user"}]`}},
		"a Secret is labeled":              {"Secret", edit{patch: `[{"op":"add","path":"/metadata/labels","value":{"a":"b"}}]`}},
		"a Secret is given another value":  {"Secret", edit{patch: `[{"op":"replace","path":"/data/password","value":"c2Vjb25k"}]`, denied: []string{"plaintext-secret"}, words: `"password" is in plaintext`}},
		"a Secret is given another key":    {"Secret", edit{patch: `[{"op":"add","path":"/data/token","value":"c2Vjb25k"}]`, denied: []string{"plaintext-secret"}, words: `"token" is in plaintext`}},
		"two keys of a Secret swap":        {"Secret", edit{patch: `[{"op":"replace","path":"/data/password","value":"YWRtaW4="},{"op":"replace","path":"/data/user","value":"Zmlyc3Q="}]`, denied: []string{"plaintext-secret", "plaintext-secret"}}},
		"another line of a ConfigMap":      {"ConfigMap", edit{patch: `[{"op":"replace","path":"/data/app.properties","value":"level=debug\ndb.password=first-literal-7\n"}]`}},
		"a leaked password in a ConfigMap": {"ConfigMap", edit{patch: `[{"op":"replace","path":"/data/DB_PASSWORD","value":"second-literal-8"}]`}},
		"another credential in a file":     {"ConfigMap", edit{patch: `[{"op":"replace","path":"/data/app.properties","value":"level=info\ndb.password=first-literal-7\nadmin.password=second-literal-8\n"}]`, denied: []string{"configmap-credentials"}, words: `"app.properties" holds the credential "admin.password"`}},

		"a CronJob runs less often, but too often": {"CronJob", edit{patch: `[{"op":"replace","path":"/spec/schedule","value":"*/5 * * * *"}]`}},
		"a CronJob runs more often":                {"CronJob", edit{patch: `[{"op":"replace","path":"/spec/schedule","value":"* * * * *"}]`, denied: []string{"cronjob-schedule"}, words: "two runs can be as little as 60s apart, less than the minimum of 600s, worse than in the stored object"}},
		"a CronJob runs on a day that never comes": {"CronJob", edit{patch: `[{"op":"replace","path":"/spec/suspend","value":false},{"op":"replace","path":"/spec/schedule","value":"0 0 31 2 *"}]`, denied: []string{"cronjob-schedule"}, words: "the schedule never runs"}},
		"a CronJob is resumed":                     {"CronJob", edit{patch: `[{"op":"replace","path":"/spec/suspend","value":false}]`}},
	} {
		t.Run(name, func(t *testing.T) { test.check(t, olds[test.kind]) })
	}
}

// Even if a Guardrail tolerates nothing, an object can lose its finalizers, and be labeled and annotated. It
// cannot be made worse, even while it is terminating: a terminating Pod can still do harm.
func TestTerminatingObjects(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "terminating", "test.taffrail.dev/late=terminating")
	var olds []*unstructured.Unstructured
	for _, manifest := range []string{
		`{apiVersion: v1, kind: Pod, metadata: {name: pod}, spec: {terminationGracePeriodSeconds: 0, containers: [{name: main, image: "app:1.0.0", env: [{name: DB_PASSWORD, value: first-literal-7}]}]}}`,
		oldDeployment,
		`{apiVersion: v1, kind: Secret, metadata: {name: db}, data: {password: Zmlyc3Q=}}`,
		`{apiVersion: batch/v1, kind: CronJob, metadata: {name: often}, spec: {schedule: "*/2 * * * *", suspend: true,
		jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: nginx}]}}}}}}`,
	} {
		old := object(t, namespace, manifest)
		old.SetFinalizers([]string{"test.taffrail.dev/first", "test.taffrail.dev/second"})
		admit(t, old.GetName(), cluster.Alice.Create(t.Context(), old))
		olds = append(olds, old)
	}
	enforceLate(t, existingGuardrail("terminating", v1alpha1.ExistingEnforce), namespace)

	worsening := map[string]string{
		"Pod":        `[{"op":"replace","path":"/spec/containers/0/image","value":"evil:latest"}]`,
		"Deployment": `[{"op":"replace","path":"/spec/template/spec/containers/1/image","value":"evil:latest"}]`,
		"Secret":     `[{"op":"replace","path":"/data/password","value":"c2Vjb25k"}]`,
		"CronJob":    `[{"op":"replace","path":"/spec/schedule","value":"* * * * *"}]`,
	}
	for _, old := range olds {
		t.Run(old.GetKind(), func(t *testing.T) {
			labeling := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"seen":"yes"},"annotations":{"by":"alice"}}}`))
			admit(t, "labeling", cluster.Alice.Patch(t.Context(), old.DeepCopy(), labeling))
			admit(t, "deleting", cluster.Alice.Delete(t.Context(), old, client.GracePeriodSeconds(0)))
			must(t, cluster.Alice.Client.Get(t.Context(), client.ObjectKeyFromObject(old), old))
			if old.GetDeletionTimestamp() == nil {
				t.Fatal("it is not terminating")
			}

			patch := client.RawPatch(types.JSONPatchType, []byte(worsening[old.GetKind()]))
			deny(t, "a change for the worse", cluster.Alice.Patch(t.Context(), old.DeepCopy(), patch))

			for _, finalizers := range []string{`["test.taffrail.dev/second"]`, `null`} {
				patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":`+finalizers+`}}`))
				admit(t, "a finalizer goes", cluster.Alice.Patch(t.Context(), old.DeepCopy(), patch))
			}
			if exists, err := cluster.Exists(t.Context(), old); err != nil || exists {
				t.Errorf("it is still there: %v", err)
			}
		})
	}
}

// Kubernetes binds an existing claim by writing to its spec, even if the Guardrail tolerates nothing.
func TestAnOldClaimIsBound(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "claims", "test.taffrail.dev/late=claims")
	class := unique("existing-ebs")
	must(t, cluster.Admin.Client.Create(t.Context(), object(t, "",
		`{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: `+class+`}, provisioner: ebs.csi.aws.com, volumeBindingMode: Immediate}`)))
	claim := object(t, namespace, `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data},
		spec: {accessModes: [ReadWriteMany], storageClassName: `+class+`, resources: {requests: {storage: 1Gi}}}}`)
	admit(t, "a claim", cluster.Alice.Create(t.Context(), claim))
	g := existingGuardrail("claims", v1alpha1.ExistingEnforce)
	g.Spec.Policies = append(g.Spec.Policies, v1alpha1.PolicyBinding{Name: "volume-access"})
	enforceLate(t, g, namespace)
	fresh := claim.DeepCopy()
	fresh.SetName("fresh")
	fresh.SetResourceVersion("")
	deny(t, "such a claim", cluster.Alice.Create(t.Context(), fresh, client.DryRunAll))

	must(t, cluster.Admin.Client.Create(t.Context(), object(t, "", `{apiVersion: v1, kind: PersistentVolume, metadata: {name: `+class+`},
		spec: {accessModes: [ReadWriteMany], storageClassName: `+class+`, capacity: {storage: 1Gi}, hostPath: {path: /tmp}}}`)))
	eventually(t, "the claim to be bound", func(ctx context.Context) error {
		if err := cluster.Admin.Client.Get(ctx, client.ObjectKeyFromObject(claim), claim); err != nil {
			return err
		}
		if volume, _, _ := unstructured.NestedString(claim.Object, "spec", "volumeName"); volume != class {
			return fmt.Errorf("its volume is %q", volume)
		}
		return nil
	})
}
