package live_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"taffrail.dev/test/golden"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/live"
)

// secretValue stands for what must not be in an export.
const secretValue = "hunter2-swordfish"

var now = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

// store returns a cluster with an object of every kind, each with more than decisions depend on.
// Lists of the forbidden resources are refused.
func store(t *testing.T, forbidden ...string) client.Reader {
	t.Helper()
	known := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(known), v1alpha1.AddToScheme(known)); err != nil {
		t.Fatal(err)
	}
	meta := func(name, namespace string) metav1.ObjectMeta {
		return metav1.ObjectMeta{
			Name: name, Namespace: namespace, Labels: map[string]string{"team": "a"}, UID: "1", Finalizers: []string{"a/b"},
			Annotations: map[string]string{"kubectl.kubernetes.io/last-applied-configuration": secretValue},
		}
	}
	class := &storagev1.StorageClass{ObjectMeta: meta("gp3", ""), Provisioner: "ebs.csi.aws.com", Parameters: map[string]string{"key": secretValue}}
	class.Annotations["storageclass.kubernetes.io/is-default-class"] = "true"
	hard := corev1.ResourceList{corev1.ResourceLimitsCPU: resource.MustParse("1")}
	two := int32(2)
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: meta("shop", "")}, &corev1.Namespace{ObjectMeta: meta("other", "")},
		&corev1.LimitRange{ObjectMeta: meta("defaults", "shop")}, &corev1.LimitRange{ObjectMeta: meta("defaults", "other")},
		&corev1.ResourceQuota{ObjectMeta: meta("team", "shop"), Spec: corev1.ResourceQuotaSpec{Hard: hard}, Status: corev1.ResourceQuotaStatus{Hard: hard, Used: hard}},
		&autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: meta("web", "shop"), Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}, MinReplicas: &two, MaxReplicas: 3,
			Metrics: []autoscalingv2.MetricSpec{{Type: "External", External: &autoscalingv2.ExternalMetricSource{Metric: autoscalingv2.MetricIdentifier{Name: secretValue}}}},
		}},
		&corev1.PersistentVolumeClaim{ObjectMeta: meta("data", "shop"), Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound}},
		class,
		&corev1.Secret{ObjectMeta: meta("password", "shop"), StringData: map[string]string{"password": secretValue}},
		&v1alpha1.Guardrail{
			ObjectMeta: meta("payments", ""),
			Spec:       v1alpha1.GuardrailSpec{Mode: v1alpha1.ModeEnforce, Policies: []v1alpha1.PolicyBinding{{Name: "image-tag"}}},
			Status: v1alpha1.GuardrailStatus{MaxMode: v1alpha1.ModeWarn, WouldDeny: &v1alpha1.WouldDeny{Requests: 7}, Injection: &v1alpha1.Injection{
				SelectionSince: metav1.NewTime(now),
			}},
		},
		&v1alpha1.Exemption{ObjectMeta: meta("legacy", ""), Spec: v1alpha1.ExemptionSpec{
			Policies: []string{"image-tag"}, Namespaces: []string{"shop"}, Reason: "r", Owner: "o", Expires: "2999-01-31",
		}, Status: v1alpha1.ExemptionStatus{Excuses: &v1alpha1.Excuses{Findings: 7}}},
		&v1alpha1.Policy{ObjectMeta: meta("own", ""), Spec: v1alpha1.PolicySpec{Rego: "package b"}, Status: v1alpha1.PolicyStatus{
			ObservedGeneration: 7, LastGood: &v1alpha1.GoodPolicy{Spec: v1alpha1.PolicySpec{Rego: "package a"}},
		}},
	}
	refused := func(resource string) error {
		if !slices.Contains(forbidden, resource) {
			return nil
		}
		return apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", errors.New("no"))
	}
	return fake.NewClientBuilder().WithScheme(known).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
			kind, err := c.GroupVersionKindFor(list)
			if err != nil {
				return err
			}
			plural := map[string]string{"PolicyList": "policies"}[kind.Kind]
			if plural == "" {
				plural = strings.ToLower(strings.TrimSuffix(kind.Kind, "List")) + "s"
			}
			if plural == "secrets" {
				t.Error("Secrets are listed")
			}
			if err := refused(plural); err != nil {
				return err
			}
			return c.List(ctx, list, o...)
		},
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, o ...client.GetOption) error {
			if _, ok := object.(*corev1.Namespace); !ok {
				t.Errorf("a %T is read", object)
			}
			if err := refused("namespaces"); err != nil {
				return err
			}
			return c.Get(ctx, key, object, o...)
		},
	}).Build()
}

func export(t *testing.T, reader client.Reader, o live.ExportOptions) string {
	t.Helper()
	o.Cluster, o.Now = "prod", now
	made, err := live.ReadExport(t.Context(), reader, o)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := made.Write(&text); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), secretValue) || strings.Contains(text.String(), "kind: Secret") {
		t.Errorf("a Secret, or what only resembles none, is in it:\n%s", text.String())
	}
	return text.String()
}

func TestExport(t *testing.T) {
	golden.Check(t, "testdata/export.yaml", export(t, store(t, "limitranges"), live.ExportOptions{Namespaces: []string{"shop"}}))
}

// What an export contains is read back as it is in the cluster.
func TestExportIsReadBack(t *testing.T) {
	file := filepath.Join(t.TempDir(), "export.yaml")
	load := func(reader client.Reader, o live.ExportOptions) *live.FileFacts {
		if err := os.WriteFile(file, []byte(export(t, reader, o)), 0o600); err != nil {
			t.Fatal(err)
		}
		facts, errs := live.LoadFacts([]string{file})
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		return facts
	}
	cluster, all := live.NewFacts(store(t)), load(store(t), live.ExportOptions{})
	for _, namespace := range []string{"shop", "other"} {
		want, err := cluster.Namespace(t.Context(), namespace)
		if err != nil {
			t.Fatal(err)
		}
		got, err := all.Namespace(t.Context(), namespace)
		if err != nil || !got.Known || got.Labels["team"] != want.Labels["team"] {
			t.Errorf("%v, %+v", err, got)
		}
		for _, fact := range decision.AllFacts() {
			want, err := cluster.Facts(t.Context(), namespace, []decision.Fact{fact})
			if err != nil {
				t.Fatal(err)
			}
			got, err := all.Facts(t.Context(), namespace, []decision.Fact{fact})
			if err != nil || names(&got, fact) != names(&want, fact) {
				t.Errorf("%s of %s: %v, %s, want %s", fact, namespace, err, names(&got, fact), names(&want, fact))
			}
		}
	}
	if gone, err := all.Namespace(t.Context(), "gone"); err != nil || gone.Known || gone.Missing != "does not exist in the cluster of "+file {
		t.Errorf("%v, %+v", err, gone)
	}

	some := load(store(t, "resourcequotas"), live.ExportOptions{Namespaces: []string{"shop"}})
	if other, err := some.Namespace(t.Context(), "other"); err != nil || other.Known || other.Missing != "is not in "+file {
		t.Errorf("%v, %+v", err, other)
	}
	for what, test := range map[string]struct {
		namespace string
		fact      decision.Fact
		want      string
	}{
		"exported":       {"shop", decision.FactLimitRanges, ""},
		"cluster-scoped": {"other", decision.FactStorageClasses, ""},
		"unread":         {"shop", decision.FactResourceQuotas, file + " does not contain resourcequotas of namespace shop: resourcequotas is forbidden: no"},
		"left out":       {"other", decision.FactLimitRanges, file + " does not contain limitranges of namespace other: it was exported for other namespaces only"},
	} {
		found, err := some.Facts(t.Context(), test.namespace, []decision.Fact{test.fact})
		if err != nil || found.Unread[test.fact] != test.want {
			t.Errorf("%s: %v, %v", what, found.Unread, err)
		}
	}
	var unread []string
	for _, missing := range some.Unread() {
		unread = append(unread, missing.Resource+" "+missing.Namespace)
	}
	if want := []string{"limitranges other", "resourcequotas shop"}; !slices.Equal(unread, want) {
		t.Errorf("%q, want %q", unread, want)
	}
}

func names(f *decision.Facts, fact decision.Fact) string {
	var all []string
	for _, object := range f.Of(fact) {
		all = append(all, object.GetName())
	}
	return strings.Join(all, " ")
}

// Each list is read once, however often it is asked for, and a namespace that cannot be read is
// remembered.
func TestFactsAreReadOnce(t *testing.T) {
	reads := 0
	reader := interceptor.NewClient(store(t, "namespaces").(client.WithWatch), interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
			reads++
			return c.List(ctx, list, o...)
		},
	})
	facts := live.NewFacts(reader)
	for range 3 {
		for _, namespace := range []string{"shop", "other"} {
			if _, err := facts.Facts(t.Context(), namespace, decision.AllFacts()); err != nil {
				t.Fatal(err)
			}
			found, err := facts.Namespace(t.Context(), namespace)
			if err != nil || found.Known || found.Missing != "cannot be read with your permissions" {
				t.Errorf("%v, %+v", err, found)
			}
		}
	}
	// Four kinds in two namespaces, and the StorageClasses.
	if reads != 4*2+1 {
		t.Errorf("%d lists", reads)
	}
	var unread []string
	for _, refused := range facts.Unread() {
		unread = append(unread, refused.Namespace)
	}
	if !slices.Equal(unread, []string{"other", "shop"}) {
		t.Errorf("%v", unread)
	}
}

func TestMaxMode(t *testing.T) {
	of := func(modes ...v1alpha1.Mode) (all []v1alpha1.Guardrail) {
		for _, mode := range modes {
			all = append(all, v1alpha1.Guardrail{Status: v1alpha1.GuardrailStatus{MaxMode: mode}})
		}
		return all
	}
	for want, guardrails := range map[decision.Mode][]v1alpha1.Guardrail{
		0: of("", "unheard-of"), decision.ModeAudit: of("", "audit"), decision.ModeEnforce: of("warn", "enforce", "audit"),
	} {
		if got := live.MaxMode(guardrails); got != want {
			t.Errorf("%v, want %v", got, want)
		}
	}
}
