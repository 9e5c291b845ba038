package chart

import (
	"slices"
	"strings"
	"testing"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"taffrail.dev/webhook/api/v1alpha1"
)

// The API server drops or rejects a field that its type does not have, and with it the field's purpose.
func TestEveryObjectHasOnlyFieldsOfItsType(t *testing.T) {
	everyHelm(t, func(t *testing.T, h *Helm) {
		types := runtime.NewScheme()
		for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, certmanagerv1.AddToScheme, v1alpha1.AddToScheme} {
			if err := add(types); err != nil {
				t.Fatal(err)
			}
		}
		seen := map[string]bool{}
		for name, r := range releases() {
			for _, object := range render(t, h, r) {
				gvk := object.GroupVersionKind()
				seen[gvk.Kind] = true
				if gvk.Group == "monitoring.coreos.com" {
					continue // checked by TestServiceMonitor and TestAlerts
				}
				typed, err := types.New(gvk)
				if err != nil {
					t.Errorf("%s: %s: %v", name, object.GetName(), err)
					continue
				}
				strictly(t, object, typed)
			}
		}
		for _, kind := range []string{
			"Certificate", "ClusterRole", "ConfigMap", "Deployment", "Guardrail", "Issuer", "Job", "MutatingWebhookConfiguration", "NetworkPolicy",
			"Pod", "PodDisruptionBudget", "PrometheusRule", "Secret", "ServiceMonitor", "ValidatingWebhookConfiguration",
		} {
			if !seen[kind] {
				t.Errorf("no release has a %s: the test would hold nothing of it", kind)
			}
		}
	})
}

func TestBothVersionsOfHelmRenderTheSame(t *testing.T) {
	h := helm4(t)
	both, err := helms()
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range releases() {
		if by4, by3 := sorted(render(t, h, r)), sorted(render(t, both[1], r)); !slices.Equal(by4, by3) {
			t.Errorf("%s: helm 4 renders\n%s\nand helm 3\n%s", name, by4, by3)
		}
	}
}

func sorted(objects []*unstructured.Unstructured) (texts []string) {
	for _, object := range objects {
		text, _ := object.MarshalJSON()
		texts = append(texts, string(text))
	}
	slices.Sort(texts)
	return texts
}

// Every namespaced object has its namespace set, so that kubectl apply puts it there too, and every object has
// the recommended labels.
func TestEveryObjectSaysWhereItBelongs(t *testing.T) {
	h := helm4(t)
	for name, r := range releases() {
		for _, object := range render(t, h, r) {
			what := name + ": " + object.GetKind() + " " + object.GetName()
			if want := namespaceOf(object.GetKind(), r); object.GetNamespace() != want {
				t.Errorf("%s is in namespace %q, want %q", what, object.GetNamespace(), want)
			}
			labels := object.GetLabels()
			if labels["app.kubernetes.io/part-of"] != "taffrail" || labels["app.kubernetes.io/instance"] != r.Name {
				t.Errorf("%s: labels %v", what, labels)
			}
		}
	}
}

func namespaceOf(kind string, r Release) string {
	if strings.HasPrefix(kind, "ClusterRole") || strings.HasSuffix(kind, "WebhookConfiguration") || kind == "Guardrail" {
		return ""
	}
	return r.Namespace
}

// cert-manager's objects connect the webhook configurations to the Secret that is mounted.
func TestCertManagerMakesWhatIsMountedAndTrusted(t *testing.T) {
	h := helm4(t)
	objects := render(t, h, release().with("certificates.mode=cert-manager"))
	serving := find[certmanagerv1.Certificate](t, objects, "Certificate", "taffrail")
	if got := serving.Spec.DNSNames; !slices.Equal(got, []string{"taffrail.taffrail-system.svc"}) {
		t.Errorf("the API server calls taffrail.taffrail-system.svc, the certificate is for %v", got)
	}
	if serving.Spec.IssuerRef.Name != "taffrail-ca" {
		t.Errorf("issued by %s", serving.Spec.IssuerRef.Name)
	}
	issuer := find[certmanagerv1.Issuer](t, objects, "Issuer", "taffrail-ca")
	authority := find[certmanagerv1.Certificate](t, objects, "Certificate", "taffrail-ca")
	if !authority.Spec.IsCA || authority.Spec.SecretName != issuer.Spec.CA.SecretName {
		t.Errorf("the issuer signs with %s, the CA is in %s", issuer.Spec.CA.SecretName, authority.Spec.SecretName)
	}
	if authority.Spec.PrivateKey.RotationPolicy != certmanagerv1.RotationPolicyNever {
		t.Error("a renewed CA has another key: certificates that the one before it signed would not be trusted")
	}
	if got := deployment(t, objects, "taffrail").Spec.Template.Spec.Volumes[0].Secret.SecretName; got != serving.Spec.SecretName {
		t.Errorf("mounted is %s, the certificate is in %s", got, serving.Spec.SecretName)
	}
	// Objects that cert-manager created remain when the mode changes, and Helm refuses to adopt objects that it
	// does not own.
	for _, object := range render(t, h, release()) {
		if name := object.GetName(); object.GetKind() == "Secret" && (name == serving.Spec.SecretName || name == authority.Spec.SecretName) {
			t.Errorf("Secret %s is cert-manager's in one mode and Helm's in another", name)
		}
	}
	for _, object := range objects {
		if strings.HasSuffix(object.GetKind(), "WebhookConfiguration") {
			if got := object.GetAnnotations()["cert-manager.io/inject-ca-from"]; got != "taffrail-system/taffrail" {
				t.Errorf("%s: the CA comes from %q", object.GetKind(), got)
			}
		}
		if object.GetKind() == "Secret" {
			t.Errorf("Secret %s is not cert-manager's", object.GetName())
		}
	}

	own := find[certmanagerv1.Certificate](t, render(t, h, release().with("certificates.mode=cert-manager",
		"certificates.certManager.issuerRef.name=corporate", "certificates.certManager.issuerRef.kind=ClusterIssuer")), "Certificate", "taffrail")
	if own.Spec.IssuerRef.Name != "corporate" || own.Spec.IssuerRef.Kind != "ClusterIssuer" {
		t.Errorf("issued by %+v", own.Spec.IssuerRef)
	}
}
